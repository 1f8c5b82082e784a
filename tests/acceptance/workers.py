"""Workers that are paused, stopped in order, or told that nobody wants their answer any more."""

from __future__ import annotations

import signal
import time

from django.db import connection

from documents.models import Document
from executions.llm.offline.replies import Reply, Rule
from executions.models import Attempt, Execution, LLMCall, Step
from executions.services.executions import cancel_execution
from executions.tests.engine_cast import person, status
from executions.tests.engine_definitions import chain, epics, single
from tests.acceptance.site import Place, Site


def a_worker_paused_too_long_changes_nothing_when_it_wakes(place: Place) -> None:
    """It is taken for dead and its step goes on elsewhere; what it brings later is dropped, and its cost kept."""
    with Site(place) as site:
        (execution,) = site.start(single())
        sleeper = site.worker()
        with site.model.held():
            site.wait_for_calls(1)
            stopped = sleeper.send(signal.SIGSTOP)
        waited = site.ready_worker() - stopped
        took = site.wait_for_end([execution]) - stopped - waited
        assert took < 15, f"taken over after {took:.1f} s"
        (lost,) = LLMCall.objects.filter(status="lost")
        time.sleep(max(0.0, stopped + 14 - time.monotonic()))
        sleeper.send(signal.SIGCONT)
        site.wait_until(lambda: LLMCall.objects.get(pk=lost.pk).status != "lost", "its cost is booked")
        booked = LLMCall.objects.get(pk=lost.pk)
        assert (booked.status, booked.is_estimated) == ("succeeded", False)
        assert Document.objects.count() == 1
        assert sorted(Attempt.objects.values_list("status", flat=True)) == ["succeeded", "superseded"]
        site.check()
        # It goes on in order, or has ended by itself.
        others = site.start(chain(2), 4)
        site.wait_for_end(others)
        assert sleeper.is_alive() or sleeper.process.returncode in (0, 1)
        site.check()


def a_cancelled_call_is_closed_within_a_second(place: Place) -> None:
    """The model sees the connection go, the run stays cancelled, and what the call has used is booked."""
    with Site(place, default=Reply(chunk_count=200, chunk_delay=0.1)) as site:
        (execution,) = site.start(single())
        site.worker()
        site.wait_for_calls(1)
        time.sleep(1.0)
        cancelled = time.monotonic()
        cancel_execution(actor=person("olga"), execution_id=execution.pk, reason="Enough.")
        (entry,) = site.model.journal
        site.wait_until(lambda: entry.disconnected_at is not None, "the connection is closed")
        assert entry.disconnected_at is not None
        assert entry.disconnected_at - cancelled < 1.0
        site.wait_until(lambda: LLMCall.objects.get().status == "cancelled", "the call is booked")
        call = LLMCall.objects.get()
        assert call.is_estimated
        assert call.cost_usd
        assert call.output_tokens
        execution.refresh_from_db()
        assert (execution.status, execution.cost_usd) == ("cancelled", call.cost_usd)
        assert not Document.objects.exists()
        # The worker goes on with other runs.
        site.model.default = Reply()
        site.wait_for_end(site.start(single()))
        assert status(execution) == "cancelled"
        site.check()


def a_worker_told_to_stop_gives_its_steps_back(place: Place) -> None:
    """It ends within ten seconds, also with calls that take for ever; another finishes, and no crash is counted."""
    with Site(place, default=Reply(chunk_count=600, chunk_delay=0.1)) as site:
        executions = site.start(epics(), 3) + site.start(single(), 2)
        worker = site.worker()
        site.wait_for_calls(5)
        told = worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert time.monotonic() - told < 10.5
        assert not Attempt.objects.filter(status="running").exists()
        assert set(Attempt.objects.values_list("outcome", flat=True)) == {"released"}
        assert set(LLMCall.objects.values_list("status", flat=True)) == {"cancelled"}
        assert _wakeups() == 5
        site.check()
        site.model.default = Reply()
        site.worker()
        site.wait_for_end(executions)
        assert not Step.objects.filter(crashes__gt=0).exists()
        assert set(site.finished().values()) == {1}
        site.check()


def a_worker_told_to_stop_finishes_what_is_nearly_done(place: Place) -> None:
    """A short call in flight is recorded, and not paid for again."""
    with Site(place, default=Reply(delay=1.5)) as site:
        executions = site.start(chain(2), 3)
        worker = site.worker()
        site.wait_for_calls(3)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert Step.objects.filter(path="s1", status="completed").count() == 3
        assert not Attempt.objects.filter(status="running").exists()
        site.model.default = Reply()
        site.worker()
        site.wait_for_end(executions)
        assert set(site.requests().values()) == {1}
        site.check()


def a_provider_that_fails_now_and_then_costs_time_only(place: Place) -> None:
    """Errors of every kind on the way, two workers, and each document once."""
    faults = ("status:529", "status:500", "cut", "no_stop", "error:overloaded_error", "close")
    rules = [Rule(reply=Reply(fault=fault, delay=0.05), times=2) for fault in faults]
    with Site(place, default=Reply(delay=0.05), rules=rules) as site:
        executions = site.start(epics(), 6)
        site.worker()
        site.worker()
        site.wait_for_end(executions)
        assert set(site.finished().values()) <= {1, 2}, "a stream without its end counts as finished by the model"
        assert LLMCall.objects.filter(status="failed").count() == 12
        assert Execution.objects.filter(error_code="").count() == 6
        site.check()


def _wakeups() -> int:
    with connection.cursor() as cursor:
        # What is due every minute may be among the others.
        cursor.execute(
            "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo' AND task_name = 'executions.advance'"
        )
        return int(cursor.fetchone()[0])
