"""Loading packages into the database, and finding revisions."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, transaction

from workflows.definition import Definition
from workflows.exceptions import BadPackage, InvalidWorkflow, RevisionNotFound, WorkflowNotFound
from workflows.models import Workflow, WorkflowFormat, WorkflowRevision
from workflows.parsed import digest_of
from workflows.services import LoadResult, current_revision, find_revision, load_package
from workflows.tests.samples import flat, v1, write_package

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
TUESDAY = datetime(2026, 3, 3, 9, tzinfo=UTC)


def load_one(root: Path, at: datetime = MONDAY) -> LoadResult:
    (result,) = load_package(root, at=at)
    return result


def test_loading_a_package_stores_each_workflow_and_makes_it_current(tmp_path: Path) -> None:
    write_package(tmp_path / "fiction", {"book.json": v1(), "story.json": flat()})
    results = load_package(tmp_path / "fiction", at=MONDAY)
    assert [(result.path, result.workflow_id, result.is_created, result.is_bad) for result in results] == [
        ("workflows/book.json", "book", True, False),
        ("workflows/story.json", "short-story", True, False),
    ]
    book = current_revision("book")
    assert book == results[0].revision
    assert (book.revision, book.name, book.format, book.package) == ("r1", "Book", "workflow.v1", "fiction")
    assert (str(book.effective_date), book.step_count, book.loaded_at) == ("2026-01-02", 4, MONDAY)
    story = current_revision("short-story")
    assert (story.revision, story.format, story.effective_date, story.step_count) == ("1.0", "flat", None, 2)


def test_a_stored_definition_reads_back_as_it_was_with_its_digest_and_the_order_of_keys(tmp_path: Path) -> None:
    workflow = v1()
    properties = {name: {"type": "string"} for name in ("title", "z", "a", "summary")} | {"chapters": {"type": "array"}}
    workflow["document_types"]["outline"]["schema"] = {"type": "object", "properties": properties}
    revision = load_one(write_package(tmp_path, {"book.json": workflow})).revision
    assert revision is not None
    stored = WorkflowRevision.objects.get(pk=revision.pk)
    definition = Definition.from_json(stored.definition)
    assert digest_of(definition) == stored.digest
    schema = definition.document_types["outline"].schema
    assert list(schema["properties"]) == ["title", "z", "a", "summary", "chapters"]
    assert list(definition.scopes) == ["book", "chapter", "scene"]


def test_a_definition_is_parsed_once_and_without_reading_the_column_again(tmp_path: Path) -> None:
    revision = load_one(write_package(tmp_path, {"book.json": v1()})).revision
    assert revision is not None
    first = revision.parsed()
    again = WorkflowRevision.objects.defer("definition").get(pk=revision.pk)
    assert again.parsed() is first
    assert "definition" in again.get_deferred_fields()


def test_loading_the_same_again_makes_nothing_new(tmp_path: Path) -> None:
    write_package(tmp_path, {"book.json": v1()})
    first, second = load_one(tmp_path), load_one(tmp_path, at=TUESDAY)
    assert (second.is_created, second.revision) == (False, first.revision)
    assert WorkflowRevision.objects.count() == 1
    assert current_revision("book").loaded_at == MONDAY


def test_a_changed_prompt_makes_a_new_revision_and_the_old_one_can_become_current_again(tmp_path: Path) -> None:
    write_package(tmp_path / "old", {"book.json": v1()})
    prompt = {"prompts/tasks/Outline v1.0.md": b"Write a better outline."}
    write_package(tmp_path / "new", {"book.json": v1()}, files=prompt)
    old, new = load_one(tmp_path / "old").revision, load_one(tmp_path / "new", at=TUESDAY).revision
    assert old is not None
    assert new is not None
    assert old != new
    assert current_revision("book") == new
    assert load_one(tmp_path / "old", at=TUESDAY).is_created is False
    assert current_revision("book") == old
    assert Workflow.objects.get(pk="book").updated_at == TUESDAY


def test_the_roles_that_a_workflow_names_are_made_once(tmp_path: Path) -> None:
    write_package(tmp_path, {"book.json": v1()})
    load_one(tmp_path)
    load_one(tmp_path, at=TUESDAY)
    roles = {
        name
        for each in current_revision("book").parsed().document_types.values()
        if each.acceptance
        for name in each.acceptance.roles
    }
    assert roles
    assert sorted(Group.objects.filter(name__in=roles).values_list("name", flat=True)) == sorted(roles)


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    bad = v1()
    bad["steps"][0]["role"] = "Nobody"
    write_package(tmp_path, {"a.json": bad, "b.json": b"{", "c.json": flat()})
    results = load_package(tmp_path, at=MONDAY)
    assert [(result.path, result.is_bad) for result in results] == [
        ("workflows/a.json", True),
        ("workflows/b.json", True),
        ("workflows/c.json", False),
    ]
    assert (results[0].workflow_id, results[0].revision) == ("book", None)
    with pytest.raises(InvalidWorkflow, match=r"workflows/a\.json has 1 error\."):
        results[0].raise_if_bad()
    results[2].raise_if_bad()
    assert list(Workflow.objects.values_list("workflow_id", flat=True)) == ["short-story"]


def test_warnings_are_kept_with_the_revision(tmp_path: Path) -> None:
    workflow = v1()
    workflow["extra"] = 1
    revision = load_one(write_package(tmp_path, {"book.json": workflow})).revision
    assert revision is not None
    revision.refresh_from_db()
    assert revision.warnings == [
        {"severity": "warning", "code": "UNKNOWN_KEY", "path": "$.extra", "detail": "'extra' means nothing here"}
    ]


def test_what_is_wrong_with_the_manifest_is_a_result_of_its_own(tmp_path: Path) -> None:
    write_package(tmp_path, {"book.json": v1()}, files={"manifest.json": b"{"})
    manifest, book = load_package(tmp_path, at=MONDAY)
    assert (manifest.path, manifest.is_bad, manifest.revision) == ("manifest.json", False, None)
    assert [problem.code for problem in manifest.problems] == ["MANIFEST"]
    assert book.is_created is True


def test_a_directory_that_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPackage, match="does not exist"):
        load_package(tmp_path / "none", at=MONDAY)


def test_a_revision_is_found_by_digest_and_by_name(tmp_path: Path) -> None:
    revision = load_one(write_package(tmp_path / "a", {"book.json": v1()})).revision
    assert revision is not None
    newer = load_one(write_package(tmp_path / "b", {"book.json": v1() | {"revision": "r2"}}), at=TUESDAY).revision
    assert find_revision("book", revision.digest) == revision
    assert find_revision("book", "r1") == revision
    assert find_revision("book", "r2") == newer
    same_name = load_one(write_package(tmp_path / "c", {"book.json": v1() | {"name": "Tome"}}), at=TUESDAY).revision
    assert find_revision("book", "r1") == same_name


@pytest.mark.parametrize("workflow_id", ["", "nothing", "a\x00b", "\ud800", "x" * 10_000])
def test_an_unknown_workflow_is_not_found_whatever_its_id(workflow_id: str) -> None:
    with pytest.raises(WorkflowNotFound) as caught:
        current_revision(workflow_id)
    assert caught.value.code == "WORKFLOW_NOT_FOUND"
    with pytest.raises(WorkflowNotFound):
        find_revision(workflow_id, "r1")


@pytest.mark.parametrize("revision", ["", "r9", "a\x00b", "\ud800", "0" * 64])
def test_an_unknown_revision_is_not_found(tmp_path: Path, revision: str) -> None:
    write_package(tmp_path, {"book.json": v1(), "story.json": flat()})
    load_package(tmp_path, at=MONDAY)
    with pytest.raises(RevisionNotFound) as caught:
        find_revision("book", revision)
    assert caught.value.code == "REVISION_NOT_FOUND"
    with pytest.raises(RevisionNotFound):
        find_revision("book", current_revision("short-story").digest)


def test_the_database_refuses_to_change_a_revision(tmp_path: Path) -> None:
    load_one(write_package(tmp_path, {"book.json": v1()}))
    with pytest.raises(DatabaseError, match="a workflow revision never changes"), transaction.atomic():
        WorkflowRevision.objects.update(name="Other")


def test_the_formats_of_the_model_are_those_of_the_parser() -> None:
    assert set(WorkflowFormat.values) == {"workflow.v1", "flat"}


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_processes_that_load_the_same_package_at_once_store_one_row(tmp_path: Path) -> None:
    root = write_package(tmp_path, {"book.json": v1(), "story.json": flat()})
    barrier = threading.Barrier(6)
    results: list[LoadResult] = []
    failures: list[BaseException] = []

    def load() -> None:
        try:
            barrier.wait(60)
            results.extend(load_package(root, at=MONDAY))
        except BaseException as error:  # noqa: BLE001 - the test's own thread must not swallow it
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert len(results) == 12
    assert sum(result.is_created for result in results) == 2
    assert WorkflowRevision.objects.count() == 2
    assert Workflow.objects.count() == 2


def test_the_migration_of_the_trigger_can_be_undone(tmp_path: Path) -> None:
    migration = import_module("workflows.migrations.0002_immutable")
    load_one(write_package(tmp_path, {"book.json": v1()}))
    with connection.cursor() as cursor:
        cursor.execute(migration.BACKWARD)
        assert WorkflowRevision.objects.update(name="Other") == 1
        cursor.execute(migration.FORWARD)
    with pytest.raises(DatabaseError), transaction.atomic():
        WorkflowRevision.objects.update(name="Book")
