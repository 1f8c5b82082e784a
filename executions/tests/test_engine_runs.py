"""Executions that go well: both formats, the order of events, and what each step is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from documents.models import Document
from executions.exceptions import Invalid, NotPermitted
from executions.models import Attempt, Event, Execution, Gate, GateKind, LLMCall, Step
from executions.tests.engine_cast import answer, decide, events, history, open_gate, person, start, status
from executions.tests.engine_definitions import (
    chain,
    epics,
    flat,
    flat_step,
    fork,
    note,
    reviewed,
    single,
    step,
    stored,
    stories,
    workflow,
)
from executions.tests.pretend_worker import PretendWorker, Scripted, backlog, document, drive, prompt
from workflows.services import load_package

pytestmark = pytest.mark.usefixtures("promises_kept")

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_one_step_runs_to_the_end() -> None:
    execution = start(single())
    assert status(execution) == "pending"
    drive(execution, Scripted(note=document(title="Hello", text="All of it.")))
    execution.refresh_from_db()
    assert execution.status == "completed"
    assert execution.completed_at is not None
    made = Document.objects.get(execution_id=execution.pk)
    assert (made.version, made.status, made.is_latest, made.title) == (1, "final", True, "Hello")
    assert made.content == {"title": "Hello", "text": "All of it."}
    assert made.created_by_step == "note"
    assert made.created_by == execution.model_ids["sonnet"]


def test_events_of_a_run_come_in_order_with_exactly_their_keys() -> None:
    execution = start(reviewed("editor"))
    drive(execution, Scripted(note=[document(wrong=1), document(title="One")]))
    decide("ed", open_gate(execution), "accept", "Good.")
    drive(execution)
    assert history(execution) == [
        "execution_started",
        "step_started note",
        "step_retrying note",
        "document_created note",
        "acceptance_needed note",
        "acceptance_decided note",
        "step_completed note",
        "step_started after",
        "document_created after",
        "step_completed after",
        "execution_completed",
    ]
    keys = {row.event_type: set(row.data) for row in Event.objects.filter(execution=execution)}
    assert keys == {
        "execution_started": {"workflow_id", "revision", "project_id"},
        "step_started": {"attempt", "role", "model"},
        "step_retrying": {"attempt", "reason", "findings"},
        "document_created": {"document_id", "doc_type", "version", "content_sha256"},
        "acceptance_needed": {"gate_id", "document_id", "doc_type", "roles", "due_at"},
        "acceptance_decided": {"gate_id", "document_id", "decision", "by", "comment"},
        "step_completed": {"document_id"},
        "execution_completed": set(),
    }


def test_the_flat_format_runs_to_the_end() -> None:
    execution = start(flat(flat_step("plan"), flat_step("build", "plan-doc", role="Developer", is_final=True)))
    claims = drive(execution)
    assert status(execution) == "completed"
    assert [claim.path for claim in claims] == ["plan", "build"]
    assert "plan-doc" in prompt(claims[1])
    scopes = set(Document.objects.filter(execution_id=execution.pk).values_list("scope_type", "scope_id"))
    assert scopes == {("project", "apollo")}


def test_branches_run_side_by_side_and_meet() -> None:
    execution = start(fork())
    worker = PretendWorker()
    (first,) = worker.claim(execution)
    sides = worker.finish(first, Scripted()(first))
    assert sides is not None
    assert [claim.path for claim in sides] == ["left", "right"]
    assert worker.finish(sides[1], Scripted()(sides[1])) == []
    following = worker.finish(sides[0], Scripted()(sides[0]))
    assert following is not None
    assert [claim.path for claim in following] == ["end"]
    worker.finish(following[0], Scripted()(following[0]))
    assert status(execution) == "completed"


def test_file_order_breaks_ties() -> None:
    steps = [step(f"s{n}") for n in range(5)]
    execution = start(workflow({each["step_id"]: note() for each in steps}, *steps))
    worker = PretendWorker()
    assert [claim.path for claim in worker.claim(execution, limit=2)] == ["s0", "s1"]
    assert [claim.path for claim in worker.claim(execution, limit=2)] == ["s2", "s3"]
    drive(execution)
    assert status(execution) == "running", "the claims of the first worker are still in flight"


def test_an_iteration_runs_once_per_item_and_then_what_follows_it() -> None:
    execution = start(epics())
    claims = drive(execution, Scripted(backlog=backlog("E1", "E2")))
    assert status(execution) == "completed"
    assert {claim.path for claim in claims} == {"backlog", "per_epic[E1].plan", "per_epic[E2].plan", "summary"}
    assert events(execution, "iteration_expanded") == [{"total": 2, "items": ["E1", "E2"]}]
    plans = Document.objects.filter(execution_id=execution.pk, document_type="plan")
    assert set(plans.values_list("scope_type", "scope_id")) == {("epic", "apollo:E1"), ("epic", "apollo:E2")}
    assert Step.objects.get(execution=execution, path="per_epic").total_items == 2


def test_iterations_nest() -> None:
    execution = start(stories())
    script = Scripted(
        **{
            "backlog": backlog("E1", "E2"),
            "per_epic[E1].stories": backlog("S1", "S2"),
            "per_epic[E2].stories": backlog("S1"),
        }
    )
    claims = {claim.path: claim for claim in drive(execution, script)}
    assert status(execution) == "completed"
    inner = [path for path in claims if path.endswith(".plan")]
    assert set(inner) == {
        "per_epic[E1].per_story[S1].plan",
        "per_epic[E1].per_story[S2].plan",
        "per_epic[E2].per_story[S1].plan",
    }
    told = prompt(claims["per_epic[E1].per_story[S2].plan"])
    assert 'id="E1"' in told
    assert 'id="S2"' in told
    assert "Item S2" in told
    assert Document.objects.filter(document_type="plan", scope_id="apollo:E1:S2").exists()


def test_a_step_gets_its_own_items_and_documents_only() -> None:
    execution = start(stories())
    script = Scripted(
        **{
            "backlog": backlog("E1", "E2"),
            "per_epic[E1].stories": document(items=[{"id": "S1", "name": "of the first"}]),
            "per_epic[E2].stories": document(items=[{"id": "S1", "name": "of the second"}]),
        }
    )
    claims = {claim.path: claim for claim in drive(execution, script)}
    told = prompt(claims["per_epic[E2].per_story[S1].plan"])
    assert "of the second" in told
    assert "of the first" not in told


def test_the_brief_is_told_to_root_steps_and_to_steps_without_inputs() -> None:
    execution = start(epics(), brief={"wish": "a lighthouse"})
    claims = {claim.step_id: claim for claim in drive(execution)}
    assert "a lighthouse" in prompt(claims["backlog"])
    assert "a lighthouse" in prompt(claims["summary"])
    assert "a lighthouse" not in prompt(claims["plan"])


def test_a_brief_that_names_a_document_type_makes_that_document_first() -> None:
    types = {"vision": note(), "plan": note()}
    value = workflow(types, step("plan", "vision"))
    execution = start(value, brief={"vision": {"title": "To the moon"}, "else": 1})
    assert history(execution) == ["execution_started", "document_created"]
    vision = Document.objects.get(document_type="vision")
    assert (vision.version, vision.status, vision.created_by, vision.created_by_step) == (1, "final", "olga", "")
    (claim,) = drive(execution)
    assert "To the moon" in prompt(claim)
    assert status(execution) == "completed"


def test_a_brief_that_breaks_the_schema_of_the_document_it_names_is_refused() -> None:
    value = workflow({"vision": note(), "plan": note()}, step("plan", "vision"))
    with pytest.raises(Invalid) as refused:
        start(value, brief={"vision": {"text": 5}})
    assert {error.path for error in refused.value.errors} == {
        "/initial_context/vision",
        "/initial_context/vision/text",
    }
    assert not Execution.objects.exists()


@pytest.mark.parametrize(
    ("brief", "path"),
    [
        ([], "/initial_context"),
        ("text", "/initial_context"),
        ({"a": "\x00"}, "/initial_context/a"),
        ({"a": "\ud800"}, "/initial_context/a"),
        ({"a": float("nan")}, "/initial_context/a"),
        ({"a": "x" * 1_000_001}, "/initial_context"),
    ],
)
def test_a_brief_that_cannot_be_kept_is_refused(brief: object, path: str) -> None:
    with pytest.raises(Invalid) as refused:
        start(single(), brief=brief)
    assert [error.path for error in refused.value.errors] == [path]


@pytest.mark.parametrize("project_id", ["", "a b", "a/b", "a:b", "x" * 65, "é", "a\n", 5, None])
def test_a_project_id_of_other_letters_is_refused(project_id: str) -> None:
    with pytest.raises(Invalid) as refused:
        start(single(), project=project_id)
    assert [error.path for error in refused.value.errors] == ["/project_id"]


@pytest.mark.parametrize("name", ["vic", "ed", "nobody"])
def test_only_operators_start(name: str) -> None:
    with pytest.raises(NotPermitted):
        start(single(), by=name)


def test_a_missing_required_input_fails_the_run_and_sends_nothing() -> None:
    execution = start(workflow({"vision": note(), "plan": note()}, step("plan", "vision")), brief={"other": 1})
    assert drive(execution) == []
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "INPUT_MISSING")
    assert "vision" in execution.error_detail
    assert not LLMCall.objects.exists()
    assert history(execution)[-2:] == ["step_failed plan", "execution_failed"]


def test_an_optional_input_that_is_missing_is_left_out() -> None:
    execution = start(workflow({"vision": note(), "plan": note()}, step("plan", "vision?")))
    drive(execution)
    assert status(execution) == "completed"


def test_inputs_are_documents_of_the_own_run_only() -> None:
    value = workflow({"vision": note(), "plan": note()}, step("plan", "vision"))
    drive(start(value, brief={"vision": {"title": "Of another run"}}))
    second = start(value)
    drive(second)
    second.refresh_from_db()
    assert second.error_code == "INPUT_MISSING"


def test_versions_of_a_series_go_on_over_the_runs_of_a_project() -> None:
    for title in ("one", "two", "three"):
        drive(start(single()), Scripted(note=document(title=title)))
    rows = Document.objects.filter(scope_id="apollo").order_by("version")
    assert [(row.version, row.title, row.is_latest) for row in rows] == [
        (1, "one", False),
        (2, "two", False),
        (3, "three", True),
    ]


def test_a_run_keeps_the_models_and_the_revision_that_it_was_started_with(settings: Settings) -> None:
    settings.COMBINE_MODELS = {"sonnet": "claude-old-1"}
    execution = start(chain(2))
    settings.COMBINE_MODELS = {"sonnet": "claude-new-2"}
    changed = chain(2)
    changed["revision"] = "r2"
    changed["name"] = "Another name"
    stored(changed)
    claims = drive(execution)
    assert {claim.request.model for claim in claims} == {"claude-old-1"}
    assert {row.model for row in LLMCall.objects.filter(execution=execution)} == {"claude-old-1"}
    execution.refresh_from_db()
    assert execution.revision.revision == "r1"
    assert execution.model_ids == {"sonnet": "claude-old-1"}


def test_every_call_has_its_attempt_and_its_price() -> None:
    execution = start(chain(3))
    drive(execution)
    execution.refresh_from_db()
    calls = LLMCall.objects.filter(execution=execution)
    assert [call.status for call in calls] == ["succeeded"] * 3
    assert all(call.cost_usd and not call.is_estimated for call in calls)
    assert execution.cost_usd == sum(call.cost_usd or 0 for call in calls)
    assert execution.reserved_usd == 0
    attempts = Attempt.objects.filter(execution=execution)
    assert [(attempt.n, attempt.status, attempt.outcome) for attempt in attempts] == [(1, "succeeded", "document")] * 3


def test_a_duplicate_wake_up_finds_nothing_to_do() -> None:
    execution = start(single())
    first, second = PretendWorker(), PretendWorker()
    (claim,) = first.claim(execution)
    assert second.claim(execution) == []
    first.finish(claim, Scripted()(claim))
    assert second.claim(execution) == []
    assert LLMCall.objects.count() == 1


@pytest.mark.parametrize("name", ["software_product", "strategy_document", "public_notice"])
def test_the_shipped_examples_run_to_the_end(name: str) -> None:
    results = load_package(EXAMPLES / name, at=timezone.now())
    revision = next(result.revision for result in results if result.workflow_id == name)
    assert revision is not None
    person("ann", "pm", "architect", "ba", "qa", "developer", "editor")
    execution = start(revision, brief={"idea": "A lighthouse"})
    for _ in range(50):
        drive(execution)
        gate = Gate.objects.filter(execution=execution, status="open").first()
        if gate is None:
            break
        if gate.kind == GateKind.ACCEPTANCE:
            decide("ann", gate, "accept")
        else:
            answer("ann", gate, {question["id"]: None for question in gate.questions})
    assert status(execution) == "completed"
