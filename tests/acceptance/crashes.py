"""Workers that are killed with -9 at the worst moments."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from functools import partial

from executions.llm.offline.replies import Reply
from executions.models import Attempt, Event, Execution, LLMCall, Step
from executions.tests.engine_definitions import chain, epics, fork, single
from tests.acceptance.site import Place, Site

# A worker is believed dead after 10 s, and the others look every 2 s.
TAKEOVER = 15.0
# After these points the answer is in the ledger: the call is never made again.
ANSWER_IS_KEPT = ("answer_booked", "inside_transaction", "after_commit")
# Before these nothing had been sent.
NOTHING_WAS_SENT = ("attempt_committed", "before_send")
POINTS = (*NOTHING_WAS_SENT, "first_text", *ANSWER_IS_KEPT)


def killed_at(point: str, place: Place) -> None:
    """The worker dies at ``point`` of a step; the next worker finishes, and pays for nothing twice."""
    # Slow enough that a worker that dies at the first of a text does so long before the last is sent.
    slow = Reply(chunk_count=10, chunk_delay=0.4 if point == "first_text" else 0.02)
    with Site(place, default=slow) as site:
        executions = site.start(chain(4))
        # Steps that follow are claimed in the transaction that records the step before them.
        first = site.worker(faults=f"{point}=kill@{1 if point == 'attempt_committed' else 2}")
        assert first.wait() == -signal.SIGKILL
        killed = time.monotonic()
        site.model.default = Reply(chunk_count=4, chunk_delay=0.05)
        executions += site.start(fork())
        waited = site.ready_worker() - killed
        took = site.wait_for_end(executions) - killed - waited
        assert took < TAKEOVER, f"taken over after {took:.1f} s"
        site.check()
        _check_calls(site, point)
        hit = Execution.objects.get(pk=executions[0].pk)
        assert Step.objects.filter(execution=hit).values_list("crashes", flat=True).distinct().get() == 0
        lost = Attempt.objects.filter(execution=hit, outcome="worker_lost")
        assert lost.count() == 1
        retrying = Event.objects.get(execution=hit, event_type="step_retrying")
        assert retrying.data["reason"] == "worker_lost"


def _check_calls(site: Site, point: str) -> None:
    steps = Step.objects.filter(is_iteration=False).count()
    assert set(site.finished().values()) == {1}
    assert len(site.finished()) == steps
    repeated = [number for number in site.requests().values() if number > 1]
    assert repeated == ([2] if point == "first_text" else [])
    lost = LLMCall.objects.filter(status="lost")
    assert lost.count() == (0 if point in ANSWER_IS_KEPT[:2] else 1)
    assert all(call.is_estimated and call.cost_usd for call in lost)


KILLED_AT: dict[str, Callable[[Place], None]] = {
    f"a_worker_killed_at_{point}_loses_nothing": partial(killed_at, point) for point in POINTS
}


def answer_lost_at(point: str, place: Place) -> None:
    """A commit is made, and its answer never comes: what was claimed in it is found again by the same worker."""
    with Site(place) as site:
        executions = site.start(chain(4))
        worker = site.worker(faults=f"{point}=raise@1")
        site.wait_for_end(executions)
        assert worker.is_alive()
        assert set(site.requests().values()) == {1}
        assert len(site.requests()) == 4
        assert not Step.objects.filter(crashes__gt=0).exists()
        assert Attempt.objects.filter(outcome="released").count() == 1
        assert LLMCall.objects.get(status="cancelled").cost_usd == 0, "that call was never sent"
        site.check()


ANSWER_LOST: dict[str, Callable[[Place], None]] = {
    f"a_commit_whose_answer_is_lost_{name}_stops_nothing": partial(answer_lost_at, point)
    for name, point in {"at_a_claim": "attempt_committed", "at_a_result": "after_commit"}.items()
}


def a_poison_step_is_blamed_and_nothing_else_suffers(place: Place) -> None:
    """One step kills every worker that reads its answer: after three deaths it fails, and the others go on."""
    with Site(place, default=Reply(delay=0.3)) as site:
        (poisoned,) = site.start(single())
        poison = "first_text=kill:note"
        innocent = site.start(epics())
        deaths = 0
        while Execution.objects.get(pk=poisoned.pk).status != "failed":
            assert site.worker(faults=poison).wait() == -signal.SIGKILL
            deaths += 1
            if deaths == 3:
                site.worker(faults=poison)
                site.wait_until(lambda: Execution.objects.get(pk=poisoned.pk).status == "failed", "the step is blamed")
        assert deaths == 3
        poisoned.refresh_from_db()
        assert poisoned.error_code == "STEP_CRASHED"
        innocent += site.start(chain(2))
        site.wait_for_end(innocent)
        site.check()
        assert site.requests().most_common(1)[0][1] <= 3


def a_worker_killed_among_many_runs_is_survived(place: Place) -> None:
    """Two workers share forty runs, then one is killed in the middle: the other takes over what it held."""
    with Site(place, default=Reply(delay=0.2)) as site:
        for _ in range(2):
            site.ready_worker(concurrency=12)
        executions = site.start(chain(3), 40)
        site.wait_for_end(executions)
        shares = _attempts_by_worker()
        assert len(shares) == 2
        assert min(shares.values()) >= 12, shares
        assert sum(shares.values()) == len(site.model.journal) == 120, "no step ran twice"
        assert set(site.finished().values()) == {1}

        with site.model.held("s2"):
            more = site.start(chain(3), 40)
            held = LLMCall.objects.filter(status="in_flight", step__step_id="s2")
            site.wait_until(lambda: held.count() == 24, "both are at work on as much as they can")
            killed = site.workers[0].send(signal.SIGKILL)
        took = site.wait_for_end(more) - killed
        assert took < TAKEOVER + 3, f"taken over after {took:.1f} s"
        lost = LLMCall.objects.filter(status="lost").count()
        assert lost == Attempt.objects.filter(outcome="worker_lost").count() == 12, "all that it was at work on"
        assert not Step.objects.exclude(status="completed").exists()
        assert max(site.finished().values()) <= 2
        assert sum(site.requests().values()) <= 240 + lost, "only what was in flight was sent again"
        site.check()


def _attempts_by_worker() -> dict[int, int]:
    shares: dict[int, int] = {}
    for worker_id in Attempt.objects.filter(status="succeeded").values_list("worker_id", flat=True):
        shares[worker_id or 0] = shares.get(worker_id or 0, 0) + 1
    return shares
