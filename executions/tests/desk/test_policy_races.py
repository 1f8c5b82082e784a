"""The end of a gate's time at the same moment as something else, on real connections: one wins, each thing is once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import connection

from executions.exceptions import AlreadyDecided, InvalidState
from executions.models import Decision, DecisionChannel, Execution, Gate, GateNotice
from executions.services import notices, policies
from executions.services.executions import cancel_execution
from executions.tests import invariants
from executions.tests.engine_cast import decide, history, open_gate, person, start, status
from executions.tests.engine_definitions import reviewed, stored
from executions.tests.pretend_worker import drive
from executions.tests.test_races import REPEATS, Crowd, crowd, errors, later

__all__ = ["crowd"]

pytestmark = [pytest.mark.race, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _cast(db: None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    for name in ("olga", "ed"):
        person(name)
    User.objects.filter(username="ed").update(email="ed@example.org")
    yield
    invariants.check()


def overdue(execution: Execution) -> Gate:
    """Return the gate of a run, of which everything is told but that its time is over."""
    drive(execution)
    gate = open_gate(execution)
    policies.act(at=gate.opened_at)
    return gate


@pytest.mark.parametrize("on_timeout", ["fail", "accept"])
def test_of_a_decision_and_the_end_of_the_time_one_wins(crowd: Crowd, on_timeout: str) -> None:
    revision, winners = stored(reviewed("editor", due_in="PT1H", on_timeout=on_timeout)), set()
    for number in range(REPEATS):
        execution = start(revision)
        gate = overdue(execution)
        assert gate.due_at is not None
        people = partial(decide, "ed", gate, "request_changes", "Again.")
        results = crowd.together(later(7 - number % 8, people), later(number, partial(policies.act, at=gate.due_at)))
        lost = errors(results)
        gate.refresh_from_db()
        by_people = Decision.objects.filter(gate=gate, user__isnull=False).exists()
        if by_people:
            assert (lost, gate.status, status(execution)) == ([], "decided", "running")
        elif on_timeout == "fail":
            assert [type(each) for each in lost] == [InvalidState]
            assert (gate.status, status(execution)) == ("expired", "failed")
        else:
            assert [type(each) for each in lost] == [AlreadyDecided]
            (decision,) = Decision.objects.filter(gate=gate)
            assert (decision.channel, gate.status) == (DecisionChannel.POLICY, "decided")
        winners.add(by_people)
        _end(execution)
    assert winners == {True, False}, "both must have been first at times, or nothing was raced"


def _end(execution: Execution) -> None:
    if status(execution) not in ("failed", "completed"):
        cancel_execution(actor=person("olga"), execution_id=execution.pk)


def test_several_workers_at_the_deadline_do_each_thing_once(crowd: Crowd) -> None:
    revision = stored(reviewed("editor", due_in="PT1H", on_timeout="accept", escalate_to=["head"]))
    for _ in range(REPEATS):
        execution = start(revision)
        gate = overdue(execution)
        results = crowd.together(*[partial(policies.act, at=gate.due_at)] * 4)
        assert errors(results) == []
        assert sum(results) == 1
        assert Decision.objects.filter(gate=gate).count() == 1
        assert [each for each in history(execution) if each.startswith("acceptance_decided")] == [
            "acceptance_decided note"
        ]
        assert GateNotice.objects.filter(gate=gate, kind="ended").count() == 1
        _end(execution)


def test_several_workers_tell_of_an_opening_and_remind_once_and_none_sends_what_another_does(crowd: Crowd) -> None:
    revision = stored(reviewed("editor", due_in="PT2H"))
    for _ in range(REPEATS // 5):
        execution = start(revision)
        drive(execution)
        gate = open_gate(execution)
        for hours in (0, 1, 2):
            at = gate.opened_at + timedelta(hours=hours)
            assert errors(crowd.together(*[partial(policies.act, at=at)] * 4)) == []
            assert GateNotice.objects.filter(gate=gate).count() == 1 + hours
        parcels = [each for each in crowd.together(*[partial(notices.claim, at=at)] * 4) if each is not None]
        taken = [notice.pk for parcel in parcels for notice in parcel.notices]
        assert len(taken) == len(set(taken)) == 3
        for parcel in parcels:
            notices.record(parcel, at=at)
        _end(execution)
