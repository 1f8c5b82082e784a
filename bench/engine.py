"""How fast the engine is, as ratios within one run: python -m bench.engine [chain] [burst] [start] [decision]

chain     steps a second of 500 executions of a 3-step chain, with a model that answers at once, against the
          floor (see bench/floor.py): at least 0.6.
burst     300 executions started at once, 1 s a call, against the bare client making the same calls: at most 1.15
          of its time, all 300 in flight, the worker at most 250 MB.
start     from the start of an execution on an idle system to the model server having its first call, against
          the floor: p50 at most 4 x.
decision  from a person's decision to the model server having the next call: p95 at most 60 ms.

Each engine figure is taken from a real ``manage.py worker`` process; floor and engine take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.utils import timezone

from bench import floor
from bench.world import PACKAGE, ModelServer, Worker, own_database, server_cpu_seconds
from executions.models import DecisionChannel, DecisionKind, Execution, Gate, GateStatus, LLMCall
from executions.services.advancing import claim
from executions.services.decisions import Verdict, record_decision
from executions.services.executions import NewExecution, start_execution
from workflows.services import current_revision, load_package

BRIEF = {"subject": "A note on the state of the loading dock", "facts": ["the door sticks", "the light is out"] * 10}
WARM = 30


class Arrivals:
    """When the model server got its calls (its journal's clock is this machine's monotonic one)."""

    def __init__(self, model: ModelServer) -> None:
        self.model = model

    def forget(self) -> None:
        self.model.forget()

    def times(self) -> list[float]:
        return sorted(row["started"] for row in self.model.get("/_journal")["requests"])


def make_actor() -> User:
    user = User.objects.create(username="bench", is_superuser=True)
    for name in ("operator", "bench_reviewer"):
        user.groups.add(Group.objects.get_or_create(name=name)[0])
    return user


def start(actor: User, workflow_id: str, number: int) -> Execution:
    new = NewExecution(project_id=f"bench-{number}", brief=BRIEF)
    return start_execution(actor=actor, revision=current_revision(workflow_id), new=new, at=timezone.now())


def sample_requests(actor: User) -> list[Any]:
    """Return the requests that the engine sends for one chain (built by claiming, then thrown away)."""
    with transaction.atomic():
        execution = start(actor, "bench_chain", 999_999)
        claims = claim(execution_id=execution.pk, worker_id=None, limit=1).claims
        transaction.set_rollback(True)
    # Later steps have one document as input in place of the brief: about as long.
    return [claims[0].request] * 3


def wait_until_done(expected: int, *, timeout: float = 300) -> None:
    deadline = time.monotonic() + timeout
    while Execution.objects.filter(status="completed").count() < expected:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not done in {timeout} s: {list(Execution.objects.values_list('status').distinct())}")
        time.sleep(0.1)


def run_executions(actor: User, count: int, offset: int) -> float:
    """Start ``count`` chains in one transaction; return the seconds from its commit to the last one's end."""
    done = Execution.objects.filter(status="completed").count()
    with transaction.atomic():
        for number in range(count):
            start(actor, "bench_chain", offset + number)
    return await_executions(done + count)


def await_executions(expected: int) -> float:
    """Wait until ``expected`` executions have completed; return the seconds from now to the last one's end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        begin = cursor.fetchone()[0]
    wait_until_done(expected)
    ends = Execution.objects.order_by("-completed_at").values_list("completed_at", flat=True)[:1]
    return float((ends[0] - begin).total_seconds())


def bench_chain(url: str, actor: User, requests: list[Any], *, executions: int = 500, rounds: int = 3) -> None:
    model = ModelServer()
    worker = Worker(database_url=url, model_url=model.url)
    ratios = []
    try:
        run_executions(actor, WARM, 1_000_000)  # warm: plans, connections, definitions
        for number in range(rounds):
            steps = executions * 3
            server, own = server_cpu_seconds(), time.process_time()
            floor_seconds = asyncio.run(floor.run_chains(url, model.url, requests[0], chains=executions, length=3))
            floor_server, own = server_cpu_seconds() - server, time.process_time() - own
            with transaction.atomic():
                for index in range(executions):
                    start(actor, "bench_chain", 2_000_000 + number * executions + index)
                cpu, server = worker.cpu_seconds(), server_cpu_seconds()
            seconds = await_executions(executions * (number + 1) + WARM)
            cpu, server = worker.cpu_seconds() - cpu, server_cpu_seconds() - server
            ratios.append(floor_seconds / seconds)
            print(
                f"chain: floor {steps / floor_seconds:6.1f} steps/s   engine {steps / seconds:6.1f} steps/s"
                f"   ratio {ratios[-1]:.2f}   CPU a step: worker {cpu / steps * 1000:.2f} ms,"
                f" server {server / steps * 1000:.2f} ms (floor: {own / steps * 1000:.2f} and"
                f" {floor_server / steps * 1000:.2f} ms)"
            )
    finally:
        worker.stop()
        model.stop()
    print(f"chain: median ratio {statistics.median(ratios):.2f} (bound: at least 0.60)")


def bench_burst(url: str, actor: User, requests: list[Any], *, width: int = 300, rounds: int = 3) -> None:
    model = ModelServer(delay=0.0, chunks=20, chunk_delay=0.05)
    worker = Worker(database_url=url, model_url=model.url)
    ratios = []
    try:
        run_executions(actor, 30, 3_000_000)
        for number in range(rounds):
            bare = asyncio.run(floor.run_calls(model.url, requests, width=width))
            model.forget()
            seconds = run_executions(actor, width, 4_000_000 + number * width)
            stats = model.get("/_stats")
            ratios.append(seconds / bare)
            print(
                f"burst: bare client {bare:5.2f} s   engine {seconds:5.2f} s   ratio {ratios[-1]:.2f}"
                f"   in flight at most {stats['max_in_flight']}   worker {worker.megabytes():.0f} MB"
            )
    finally:
        worker.stop()
        model.stop()
    print(f"burst: median ratio {statistics.median(ratios):.2f} (bound: at most 1.15)")


def bench_start(url: str, actor: User, requests: list[Any], *, count: int = 40) -> None:
    model = ModelServer()
    arrivals = Arrivals(model)
    asyncio.run(floor.run_chains(url, model.url, requests[0], chains=1, length=1))
    bare = asyncio.run(floor.start_latencies(url, model.url, requests[0], arrivals, count=count))
    worker = Worker(database_url=url, model_url=model.url)
    try:
        run_executions(actor, 10, 5_000_000)
        ours = []
        for number in range(count):
            time.sleep(0.15)
            arrivals.forget()
            begin = time.monotonic()
            start(actor, "bench_chain", 6_000_000 + number)
            while not (seen := arrivals.times()):
                time.sleep(0.02)
            ours.append((seen[0] - begin) * 1000)
    finally:
        worker.stop()
        model.stop()
    ratio = statistics.median(ours) / statistics.median(bare)
    print(
        f"start: floor p50 {statistics.median(bare):.1f} ms   engine p50 {statistics.median(ours):.1f} ms"
        f" p95 {statistics.quantiles(ours, n=20)[-1]:.1f} ms   ratio {ratio:.2f} (bound: at most 4)"
    )


def bench_decision(url: str, actor: User, *, count: int = 60) -> None:
    model = ModelServer()
    arrivals = Arrivals(model)
    worker = Worker(database_url=url, model_url=model.url)
    took = []
    try:
        executions = [start(actor, "bench_gated", 7_000_000 + number) for number in range(count)]
        while Gate.objects.filter(status=GateStatus.OPEN).count() < count:
            time.sleep(0.05)
        for execution in executions:
            time.sleep(0.1)
            gate = Gate.objects.get(execution=execution)
            arrivals.forget()
            begin = time.monotonic()
            verdict = Verdict(decision=DecisionKind.ACCEPT)
            record_decision(actor=actor, gate=gate, verdict=verdict, channel=DecisionChannel.API, at=timezone.now())
            while not (seen := arrivals.times()):
                time.sleep(0.02)
            took.append((seen[0] - begin) * 1000)
    finally:
        worker.stop()
        model.stop()
    p95 = statistics.quantiles(took, n=20)[-1]
    print(f"decision: p50 {statistics.median(took):.1f} ms   p95 {p95:.1f} ms (bound: at most 60)")


def main() -> None:
    names = ("chain", "burst", "start", "decision")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", choices=[*names, []], help="benchmarks to run (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    which = options.which or names
    with own_database() as url:
        load_package(PACKAGE, at=timezone.now())
        actor = make_actor()
        requests = sample_requests(actor)
        if "chain" in which:
            bench_chain(url, actor, requests, rounds=options.rounds)
        if "burst" in which:
            bench_burst(url, actor, requests, rounds=options.rounds)
        if "start" in which:
            bench_start(url, actor, requests)
        if "decision" in which:
            bench_decision(url, actor)
        unbooked = LLMCall.objects.filter(status="in_flight").count()
        if unbooked:
            sys.exit(f"{unbooked} calls were left unbooked")


if __name__ == "__main__":
    main()
