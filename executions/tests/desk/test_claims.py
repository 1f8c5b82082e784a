"""Claims and hand-overs: they are seen, they run out, and they stop nobody."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from executions.exceptions import Invalid, InvalidState, NotPermitted
from executions.models import AuditEntry, GateAssignment, GateClaim, Project
from executions.services.claims import (
    CLAIMED_FOR,
    assign,
    assignment_of,
    assignments_of,
    claim,
    claim_of,
    claims_of,
    likely_receivers,
    release,
)
from executions.tests.admin.desk import in_question, in_review
from executions.tests.engine_cast import decide, person

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def test_a_claim_lasts_five_minutes_and_is_renewed_by_its_holder() -> None:
    gate = in_review()
    first = claim(actor=person("ed"), gate=gate, at=NOW)
    again = claim(actor=person("ed"), gate=gate, at=NOW + timedelta(minutes=4))
    assert (again.claimed_at, again.expires_at) == (first.claimed_at, NOW + timedelta(minutes=4) + CLAIMED_FOR)
    assert claim_of(gate, NOW + timedelta(minutes=8)) == again
    assert claim_of(gate, NOW + timedelta(minutes=9)) is None


def test_who_comes_second_is_told_whose_claim_it_is_and_may_take_it_over() -> None:
    gate = in_review()
    claim(actor=person("ed"), gate=gate, at=NOW)
    assert claim(actor=person("eva"), gate=gate, at=NOW).by == "ed"
    assert claim(actor=person("eva"), gate=gate, at=NOW, takes_over=True).by == "eva"


def test_a_claim_that_has_run_out_is_anybodys_and_begins_anew() -> None:
    gate, later = in_review(), NOW + timedelta(minutes=6)
    claim(actor=person("ed"), gate=gate, at=NOW)
    taken = claim(actor=person("eva"), gate=gate, at=later)
    assert (taken.by, taken.claimed_at) == ("eva", later)


def test_a_claim_stops_nobody() -> None:
    gate = in_review()
    claim(actor=person("ed"), gate=gate, at=NOW)
    assert decide("eva", gate, "accept").by == "eva"
    assert claim_of(gate, NOW) is None  # of a closed gate nothing is shown
    with pytest.raises(InvalidState, match="closed"):
        claim(actor=person("ed"), gate=gate, at=NOW + timedelta(minutes=6))


def test_only_who_may_decide_may_claim_and_only_their_own_claim_is_given_up() -> None:
    gate = in_review()
    with pytest.raises(NotPermitted):
        claim(actor=person("vic"), gate=gate, at=NOW)
    claim(actor=person("ed"), gate=gate, at=NOW)
    assert not release(actor=person("eva"), gate=gate, at=NOW)
    assert release(actor=person("ed"), gate=gate, at=NOW)
    assert not GateClaim.objects.exists()


def test_a_gate_is_handed_to_somebody_who_may_decide_with_a_note_and_the_claim_is_given_up() -> None:
    gate = in_review()
    claim(actor=person("ed"), gate=gate, at=NOW)
    person("eva")
    assign(actor=person("ed"), gate=gate, username="eva", note=" You know the numbers. ", at=NOW)
    found = assignment_of(gate)
    assert found is not None
    assert (found.name, found.by, found.note) == ("eva", "ed", "You know the numbers.")
    assert claim_of(gate, NOW) is None
    assert decide("ed", gate, "accept").by == "ed"  # it gave no right, and took none


def test_operators_hand_on_what_they_may_not_decide_and_the_last_hand_over_counts() -> None:
    gate = in_review()
    for name in ("ed", "eva"):
        person(name)
        assign(actor=person("olga"), gate=gate, username=name, at=NOW)
    assert assignments_of([gate.pk])[gate.pk].name == "eva"
    assert GateAssignment.objects.count() == 2


@pytest.mark.parametrize(
    ("name", "detail"),
    [("vic", "vic may not decide here"), ("noone-here", "there is nobody"), ("a\x00b", "there is nobody")],
    ids=["no right", "nobody", "no name"],
)
def test_it_is_handed_to_nobody_who_may_not_decide(name: str, detail: str) -> None:
    gate = in_review()
    person("vic")
    with pytest.raises(Invalid, match=detail):
        assign(actor=person("ed"), gate=gate, username=name, at=NOW)
    assert assignment_of(gate) is None


def test_it_is_handed_to_nobody_who_does_not_see_the_project_or_has_left() -> None:
    gate = in_review()
    person("eva")
    Project.objects.get().users.add(person("ed"))
    with pytest.raises(Invalid, match="do not see the project"):
        assign(actor=person("ed"), gate=gate, username="eva", at=NOW)
    User.objects.filter(username="eva").update(is_active=False)
    with pytest.raises(Invalid, match="there is nobody"):
        assign(actor=person("ed"), gate=gate, username="eva", at=NOW)


def test_who_neither_decides_nor_operates_hands_on_nothing_and_a_closed_gate_is_not_handed_on() -> None:
    gate = in_review()
    person("eva")
    with pytest.raises(NotPermitted, match="or an operator"):
        assign(actor=person("vic"), gate=gate, username="eva", at=NOW)
    with pytest.raises(Invalid, match="longer than"):
        assign(actor=person("ed"), gate=gate, username="eva", note="x" * 1_001, at=NOW)
    decide("ed", gate, "accept")
    with pytest.raises(InvalidState):
        assign(actor=person("ed"), gate=gate, username="eva", at=NOW)


def test_the_names_that_are_suggested_are_of_those_who_may_decide() -> None:
    for name in ("olga", "ed", "eva", "vic"):
        person(name)
    assert likely_receivers(in_review()) == ["ed", "eva"]
    assert likely_receivers(in_question()) == ["olga"]


def test_claims_of_many_gates_are_found_at_once() -> None:
    one, other = in_review(), in_review()
    claim(actor=person("ed"), gate=one, at=NOW)
    claim(actor=person("eva"), gate=other, at=NOW - timedelta(minutes=6))
    assert {gate: each.by for gate, each in claims_of([one.pk, other.pk], NOW).items()} == {one.pk: "ed"}


def test_what_is_claimed_given_up_handed_on_or_refused_is_in_the_audit_log_and_renewing_is_not() -> None:
    gate = in_review()
    person("eva")
    for minutes in range(3):
        claim(actor=person("ed"), gate=gate, at=NOW + timedelta(minutes=minutes))
    claim(actor=person("eva"), gate=gate, at=NOW + timedelta(minutes=3), takes_over=True)
    assign(actor=person("eva"), gate=gate, username="ed", note="Yours", at=NOW + timedelta(minutes=4))
    with pytest.raises(NotPermitted):
        claim(actor=person("vic"), gate=gate, at=NOW)
    rows = AuditEntry.objects.filter(gate_id=gate.pk).order_by("id").values_list("act", "outcome", "by")
    assert list(rows) == [
        ("gate.claim", "done", "ed"),
        ("gate.claim", "done", "eva"),
        ("gate.assign", "done", "eva"),
        ("gate.release", "done", "eva"),
        ("gate.claim", "refused", "vic"),
    ]
    assert AuditEntry.objects.get(act="gate.assign").after == {"assigned_to": "ed", "note": "Yours"}
