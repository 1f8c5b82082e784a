"""Edit-and-accept: what becomes of the version, the gate, the votes, and of the edit when the model writes again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from documents.models import Document
from executions.exceptions import AlreadyDecided, Invalid, InvalidState, NotPermitted, StaleDocument
from executions.models import Decision, DecisionChannel, Execution, Gate, GateKind, LLMCall
from executions.services import policies
from executions.services.access import gates_waiting_for, refusal
from executions.services.decisions import the_gate
from executions.services.deputies import name_deputy
from executions.services.edits import Edited, edit_and_accept
from executions.services.executions import cancel_execution, retry_execution
from executions.tests.engine_cast import decide, events, history, open_gate, person, start, status
from executions.tests.engine_definitions import collection, iteration, note, reviewed, step, workflow
from executions.tests.pretend_worker import PretendWorker, Scripted, backlog, document, drive, prompt

pytestmark = pytest.mark.usefixtures("promises_kept")


def waiting(*roles: str, by: str = "olga", **policy: object) -> Execution:
    """Return a run whose note waits for acceptance."""
    execution = start(reviewed(*roles, **policy), by=by)
    drive(execution, Scripted(note=document(title="First", text="draft")))
    return execution


def edit(by: str, gate: Gate, content: Any, *, sha256: str | None = None, comment: str = "") -> Edited:
    return edit_and_accept(
        actor=person(by),
        gate=gate,
        content=content,
        content_sha256=sha256 or gate.content_sha256,
        comment=comment,
        channel=DecisionChannel.ADMIN,
        at=timezone.now(),
    )


def edits_of(version: Document) -> dict[str, Any]:
    assert version.edits is not None
    return dict(version.edits)


def errors_of(refused: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(error.path, error.code) for error in refused.value.errors]


def test_an_edit_makes_a_version_by_the_person_and_accepts_it_without_another_call() -> None:
    execution = waiting()
    gate = open_gate(execution)
    made = edit("ed", gate, {"title": "First", "text": "finished"}, comment="A few words.")
    first, second = Document.objects.filter(execution_id=execution.pk).order_by("version")
    assert (made.is_accepted, made.version, made.paths) == (True, 2, ("/text",))
    assert (first.status, first.is_latest) == ("changes_requested", False)
    assert (second.status, second.created_by, second.content["text"]) == ("accepted", "ed", "finished")
    assert second.pk == made.document_id
    assert edits_of(second)["changed"] == ["/text"]
    assert LLMCall.objects.count() == 1
    (claim,) = drive(execution)
    assert "finished" in prompt(claim)
    assert status(execution) == "completed"


def test_the_edited_version_has_a_gate_and_each_decision_names_what_was_read() -> None:
    execution = waiting()
    gate = open_gate(execution)
    made = edit("ed", gate, {"title": "Second"}, comment="Shorter.")
    old, new = Decision.objects.filter(gate__execution=execution).order_by("id")
    assert (old.gate_id, old.decision, old.document_version) == (gate.pk, "request_changes", 1)
    assert old.comment == "Edited by hand, as version 2. Shorter."
    assert (new.gate_id, new.decision, new.document_version) == (made.gate_id, "accept", 2)
    assert (new.content_sha256, new.channel) == (made.content_sha256, "admin")
    assert history(execution)[-5:] == [
        "acceptance_decided note",
        "document_created note",
        "acceptance_needed note",
        "acceptance_decided note",
        "step_completed note",
    ]
    assert [each["decision"] for each in events(execution, "acceptance_decided")] == ["request_changes", "accept"]


def test_what_does_not_fit_is_refused_with_every_problem_at_its_place_and_nothing_is_stored() -> None:
    execution = waiting()
    with pytest.raises(Invalid) as refused:
        edit("ed", open_gate(execution), {"title": "", "text": 5, "more": 1}, comment="\x00")
    assert {path for path, _ in errors_of(refused)} >= {"/comment", "/content/title", "/content/text"}
    assert Document.objects.count() == 1
    assert open_gate(execution).document_version == 1


@pytest.mark.parametrize(
    ("content", "path", "code"),
    [
        ({"title": "a\x00b"}, "/content/title", "TEXT_NOT_STORABLE"),
        ({"title": "First", "text": "draft"}, "/content", "UNCHANGED"),
        ({"title": "x", "text": "y" * 2_000_001}, "/content", "TOO_LARGE"),
        ([], "/content", "TYPE"),
        (None, "/content", "TYPE"),
    ],
    ids=["nul", "unchanged", "large", "list", "null"],
)
def test_content_that_cannot_be_taken_says_why(content: Any, path: str, code: str) -> None:
    execution = waiting()
    with pytest.raises(Invalid) as refused:
        edit("ed", open_gate(execution), content)
    assert errors_of(refused) == [(path, code)]


def test_the_ids_of_a_collection_stay_unique_and_the_edited_items_are_iterated_over() -> None:
    execution = start(
        workflow(
            {"backlog": collection(accepted_by=("editor",)), "plan": note("epic")},
            step("backlog"),
            iteration("per_epic", "backlog", step("plan", "backlog@project", scope="epic")),
        )
    )
    drive(execution, Scripted(backlog=backlog("E1", "E2")))
    gate = open_gate(execution)
    with pytest.raises(Invalid) as refused:
        edit("ed", gate, {"items": [{"id": "E1"}, {"id": "E1"}]})
    assert ("/content/items/1", "DUPLICATE_ITEM_ID") in errors_of(refused)
    edit("ed", gate, {"items": [{"id": "E1", "name": "Item E1"}, {"id": "E9", "name": "Mine"}]})
    assert {claim.path for claim in drive(execution)} == {"per_epic[E1].plan", "per_epic[E9].plan"}
    assert status(execution) == "completed"


def test_an_edit_of_another_version_than_the_gates_is_refused() -> None:
    execution = waiting()
    with pytest.raises(StaleDocument):
        edit("ed", open_gate(execution), {"title": "Second"}, sha256="0" * 64)


def test_the_loser_of_an_edit_is_told_who_was_faster() -> None:
    execution = waiting()
    gate = open_gate(execution)
    edit("ed", gate, {"title": "Second"})
    with pytest.raises(AlreadyDecided, match="ed chose request_changes"):
        edit("eva", gate, {"title": "Third"})
    with pytest.raises(AlreadyDecided):
        decide("eva", gate, "accept")
    assert Document.objects.filter(document_type="note").count() == 2


def test_who_may_not_decide_may_not_edit_and_nothing_is_edited_in_a_run_that_is_over() -> None:
    execution = waiting()
    gate = open_gate(execution)
    with pytest.raises(NotPermitted):
        edit("olga", gate, {"title": "Second"})
    cancel_execution(actor=person("olga"), execution_id=execution.pk)
    with pytest.raises(InvalidState):
        edit("ed", gate, {"title": "Second"})


def test_with_a_quorum_the_edit_takes_earlier_votes_away_and_is_one_vote_itself() -> None:
    execution = waiting(quorum=2)
    first = open_gate(execution)
    decide("eva", first, "accept")
    made = edit("ed", first, {"title": "Second"})
    assert not made.is_accepted
    second = open_gate(execution)
    assert (second.pk, second.document_version, second.quorum) == (made.gate_id, 2, 2)
    assert [each.by for each in second.decisions.all()] == ["ed"]
    assert status(execution) == "waiting_acceptance"
    decide("eva", second, "accept")
    assert Document.objects.get(pk=made.document_id).status == "accepted"


def test_whoever_has_voted_cannot_edit_that_version_any_more() -> None:
    execution = waiting(quorum=2)
    decide("ed", open_gate(execution), "accept")
    with pytest.raises(Exception, match="already voted"):
        edit("ed", open_gate(execution), {"title": "Second"})


def test_under_four_eyes_somebody_else_must_accept_what_a_person_wrote() -> None:
    execution = waiting(four_eyes=True)
    made = edit("ed", open_gate(execution), {"title": "Second"})
    gate = open_gate(execution)
    assert (made.is_accepted, made.gate_id, gate.decisions.count()) == (False, gate.pk, 0)
    assert "wrote this version yourself" in str(refusal(person("ed"), gate))
    assert not gates_waiting_for(Gate.objects.all(), person("ed")).exists()
    assert gates_waiting_for(Gate.objects.all(), person("eva")).get() == gate
    with pytest.raises(NotPermitted):
        decide("ed", gate, "accept")
    with pytest.raises(NotPermitted):
        the_gate(actor=person("ed"), execution_id=execution.pk, kind=GateKind.ACCEPTANCE, gate_id=None)
    decide("eva", gate, "accept")
    drive(execution)
    assert status(execution) == "completed"


def test_four_eyes_and_a_quorum_let_the_editor_be_one_of_several() -> None:
    execution = waiting(four_eyes=True, quorum=2)
    edit("ed", open_gate(execution), {"title": "Second"})
    gate = open_gate(execution)
    assert [each.by for each in gate.decisions.all()] == ["ed"]
    decide("eva", gate, "accept")
    drive(execution)
    assert status(execution) == "completed"


def test_under_four_eyes_the_editor_is_remembered_when_the_time_runs_out_and_is_given_again() -> None:
    execution = waiting(four_eyes=True, due_in="PT1H", on_timeout="fail")
    edit("ed", open_gate(execution), {"title": "Second"})
    for _ in range(2):  # the first look finds the gate new, the next one late
        policies.act(at=timezone.now() + timedelta(hours=2))
    assert status(execution) == "failed"
    retry_execution(actor=person("olga"), execution_id=execution.pk)
    gate = open_gate(execution)
    assert gate.document_version == 2
    assert "wrote this version yourself" in str(refusal(person("ed"), gate))
    decide("eva", gate, "accept")


def test_a_deputys_edit_is_the_deputys_and_their_votes_are_for_the_one_who_is_away() -> None:
    execution = waiting()
    User.objects.filter(pk=person("vic").pk).update(is_staff=True)
    today, ed = timezone.now(), person("ed")
    day = today.date()
    name_deputy(actor=ed, absent=ed, deputy="vic", first_day=day, last_day=day, at=today)
    made = edit("vic", open_gate(execution), {"title": "Second"})
    assert made.is_accepted
    cast = Decision.objects.filter(gate__execution=execution).values_list("by", "on_behalf_of__username")
    assert list(cast.order_by("id")) == [("vic", "ed"), ("vic", "ed")]
    assert Document.objects.get(pk=made.document_id).created_by == "vic"


def rework(execution: Execution, written: Any, comments: Any = (), comment: str = "Shorter.") -> tuple[str, Document]:
    """Send the note back, have the model write ``written``; return its prompt and the new version."""
    decide("eva", open_gate(execution), "request_changes", comment, comments=comments)
    (claim,) = drive(execution, Scripted(note=document(**written)))
    newest = Document.objects.get(execution_id=execution.pk, document_type="note", is_latest=True)
    return prompt(claim), newest


def test_a_rework_is_told_to_keep_what_people_wrote_and_gets_it_back_where_it_does_not() -> None:
    execution = waiting(four_eyes=True)
    edit("ed", open_gate(execution), {"title": "Ed's title", "text": "draft"})
    told, newest = rework(execution, {"title": "The model's title", "text": "new"})
    assert '<data_block kind="kept">' in told
    assert '{"path": "/title", "value": "Ed\'s title"}' in told
    assert newest.content == {"title": "Ed's title", "text": "new"}
    assert (newest.title, newest.created_by) != ("The model's title", "ed")
    assert edits_of(newest)["restored"] == ["/title"]
    assert open_gate(execution).edited_by is None


def test_kept_places_live_on_through_every_later_rework() -> None:
    execution = waiting(four_eyes=True)
    edit("ed", open_gate(execution), {"title": "Ed's title", "text": "draft"})
    _, second = rework(execution, {"title": "Ed's title", "text": "two"})
    assert "restored" not in edits_of(second)
    _, third = rework(execution, {"title": "Other", "text": "three"})
    assert third.content == {"title": "Ed's title", "text": "three"}


def test_a_reviewer_who_comments_on_an_edited_place_gives_it_back_to_the_model() -> None:
    execution = waiting(four_eyes=True)
    edit("ed", open_gate(execution), {"title": "Ed's title", "text": "draft"})
    told, newest = rework(execution, {"title": "New", "text": "x"}, [{"path": "/title", "text": "Too long."}])
    assert '<data_block kind="kept">' not in told
    assert newest.content["title"] == "New"
    assert newest.edits == {"released": ["/title"]}


def test_an_edit_survives_a_rejection_a_retry_and_an_invalid_answer() -> None:
    execution = waiting(four_eyes=True)
    edit("ed", open_gate(execution), {"title": "Ed's title", "text": "draft"})
    decide("eva", open_gate(execution), "reject", "Not like this.")
    assert status(execution) == "failed"
    retry_execution(actor=person("olga"), execution_id=execution.pk)
    drive(execution, Scripted(note=[document(nonsense=1), document(title="Other", text="new")]), PretendWorker())
    newest = Document.objects.get(execution_id=execution.pk, is_latest=True)
    assert newest.content == {"title": "Ed's title", "text": "new"}
