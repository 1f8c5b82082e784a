"""Drafts: what was typed is kept, for whoever typed it, as long as it is of use."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from executions.exceptions import Invalid, InvalidState, NotPermitted
from executions.models import GateDraft
from executions.services.drafts import KEPT_FOR, MAX_DRAFT_BYTES, draft_of, drafts_at, drop_draft, save_draft
from executions.tests.admin.desk import in_question, in_review
from executions.tests.engine_cast import answer, decide, person

pytestmark = pytest.mark.django_db


def test_a_draft_is_kept_once_per_person_and_the_last_one_counts() -> None:
    gate = in_review()
    save_draft(person("ed"), gate, {"comment": "first"})
    save_draft(person("ed"), gate, {"comment": "second"})
    save_draft(person("eva"), gate, {"comment": "hers"})
    found = draft_of(person("ed"), gate)
    assert found is not None
    assert found.data == {"comment": "second"}
    assert [each.user.username for each in drafts_at(gate)] == ["ed", "eva"]


def test_who_could_not_send_it_cannot_keep_it_either() -> None:
    gate = in_review()
    with pytest.raises(NotPermitted, match="editor"):
        save_draft(person("vic"), gate, {"comment": "x"})
    assert not GateDraft.objects.exists()


def test_the_decision_takes_the_draft_of_whoever_decided_and_leaves_those_of_others() -> None:
    gate = in_review()
    for name in ("ed", "eva"):
        save_draft(person(name), gate, {"comment": name})
    decide("ed", gate, "accept")
    assert draft_of(person("ed"), gate) is None
    left = draft_of(person("eva"), gate)
    assert left is not None
    assert left.data == {"comment": "eva"}


def test_answers_take_the_draft_too() -> None:
    gate = in_question()
    save_draft(person("olga"), gate, {"answers": {}})
    answer("olga", gate, {"AUDIENCE": "All", "OFFLINE": True, "LOAD": 1})
    assert draft_of(person("olga"), gate) is None


def test_nothing_is_kept_at_a_gate_that_is_closed() -> None:
    gate = in_review()
    decide("ed", gate, "accept")
    with pytest.raises(InvalidState, match="closed"):
        save_draft(person("eva"), gate, {"comment": "late"})


def test_a_draft_is_bounded_and_says_by_how_much() -> None:
    gate = in_review()
    with pytest.raises(Invalid, match="at most 1,000,000 are kept"):
        save_draft(person("ed"), gate, {"comment": "x" * MAX_DRAFT_BYTES})
    with pytest.raises(Invalid, match="NUL"):
        save_draft(person("ed"), gate, {"comment": "a\x00b"})
    assert not GateDraft.objects.exists()


def test_old_drafts_of_closed_gates_go_when_the_next_one_is_kept_and_those_of_open_ones_stay() -> None:
    closed, still_open = in_review(), in_review()
    long_ago = timezone.now() - KEPT_FOR - timedelta(days=1)
    for gate in (closed, still_open):
        save_draft(person("eva"), gate, {"comment": "long ago"}, at=long_ago)
    decide("ed", closed, "accept")
    save_draft(person("ed"), still_open, {"comment": "now"})
    assert draft_of(person("eva"), closed) is None
    assert draft_of(person("eva"), still_open) is not None


def test_dropping_what_is_not_there_does_nothing() -> None:
    gate = in_review()
    drop_draft(person("ed"), gate)
    save_draft(person("ed"), gate, {"comment": "x"})
    drop_draft(person("ed"), gate)
    assert draft_of(person("ed"), gate) is None
