"""How streams do, as ratios within one run: python -m bench.streams [watchers] [idle] [silent]

watchers  from the commit of an event to its receipt by 200 watchers of the run, against a bare ASGI application on
          Daphne that sends the same frames to 200 streams (see bench/echo.py).
idle      the API's p95 while one web process holds 2,000 idle streams, against its p95 without: at most 1.5 x.
silent    what 50 clients that never read cost a web process in memory, while 50 MB are written for them.

The web server is a real ``manage.py web``. Clients are processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import psutil
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from knox.models import AuthToken

from bench.engine import make_actor, start
from bench.world import PACKAGE, ROOT, own_database
from executions.api.frames import event_frame
from executions.live_text import telling_watchers
from executions.models import Event, EventType, Execution
from executions.notifications import publish
from workflows.services import load_package

HOST = "127.0.0.1"
WATCHERS, EVENTS, PACE = 200, 200, 0.05
IDLE, IDLE_EXECUTIONS, REQUESTS = 2_000, 100, 400
SILENT, SILENT_EVENTS, SILENT_SIZE = 50, 1_000, 1_000


class Process:
    """A server on a port of its own."""

    def __init__(self, *command: str, **environment: str) -> None:
        with socket.socket() as found:
            found.bind((HOST, 0))
            self.port: int = found.getsockname()[1]
        full = [sys.executable, *(part.replace("{port}", str(self.port)) for part in command)]
        environment = {**os.environ, **environment, "COMBINE_HOST": HOST, "COMBINE_PORT": str(self.port)}
        self.process = subprocess.Popen(full, cwd=ROOT, env=environment)
        deadline = time.monotonic() + 30
        while not self._listens():
            assert time.monotonic() < deadline, "the server does not listen"
            time.sleep(0.05)

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((HOST, self.port)) == 0

    def megabytes(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss / 2**20)

    def threads(self) -> int:
        return int(psutil.Process(self.process.pid).num_threads())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def web_server(url: str) -> Process:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return Process("manage.py", "web", DATABASE_URL=url, COMBINE_THROTTLE="off", COMBINE_LOG_LEVEL="warning")


class Clients:
    """A process of clients with open streams."""

    def __init__(self, kind: str, port: int, path: str, count: int, token: str) -> None:
        command = [sys.executable, "-m", "bench.stream_clients", kind, HOST, str(port), path, str(count), token]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.line()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def notes(self) -> list[tuple[int, float]]:
        """Return which event came when, of all streams."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        notes: list[tuple[int, float]] = json.loads(self.line())
        return notes

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Teller:
    """What a worker has beside its transactions, in a thread: so events are told as it tells them."""

    def __enter__(self) -> Teller:
        self._loop = asyncio.new_event_loop()
        self._is_ready, self._is_over = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        self._is_ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join()

    async def _run(self) -> None:
        async with telling_watchers() as live_text:
            self._is_ready.set()
            await live_text.outlet.is_watched.wait()
            await self._is_over.wait()


def add_events(execution_id: Any, count: int, *, size: int, on_commit: Callable[[], None] = lambda: None) -> None:
    """Write events as a transition does: under the lock, numbered, told of after the commit."""
    with transaction.atomic():
        execution = Execution.objects.select_for_update().get(pk=execution_id)
        Event.objects.bulk_create(
            Event(
                execution=execution,
                seq=execution.last_seq + number,
                event_type=EventType.STEP_RETRYING,
                step_id="first",
                path="first",
                timestamp=timezone.now(),
                data={"attempt": 1, "reason": "output_invalid", "findings": ["x" * size]},
            )
            for number in range(1, count + 1)
        )
        Execution.objects.filter(pk=execution.pk).update(last_seq=execution.last_seq + count)
        transaction.on_commit(on_commit)
        publish([execution.pk])


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def show(name: str, seconds: list[float]) -> float:
    most = p95(seconds) * 1000
    median = statistics.median(seconds) * 1000
    print(f"watchers: {name:<12} p50 {median:6.1f} ms   p95 {most:6.1f} ms   of {len(seconds):,} receipts")
    return most


def latencies(notes: list[tuple[int, float]], sent: dict[int, float]) -> list[float]:
    found = [at - sent[seq] for seq, at in notes if seq in sent]
    expected = WATCHERS * len(sent)
    if len(found) != expected:
        sys.exit(f"{len(found):,} of {expected:,} frames arrived")
    return found


def bench_watchers(url: str, actor: User, token: str) -> None:
    """Ours and the echo are told in turns, so that whatever else the machine does falls on both."""
    execution = start(actor, "bench_chain", 1)
    web, echo = web_server(url), Process("-m", "bench.stream_clients", "echo", "{port}")
    clients = []
    try:
        clients.append(Clients("watch", web.port, f"/api/v1/executions/{execution.pk}/stream", WATCHERS, token))
        clients.append(Clients("watch", echo.port, "/", WATCHERS, token))
        committed: dict[int, float] = {}
        echoed: dict[int, float] = {}
        sender = http.client.HTTPConnection(HOST, echo.port)
        with Teller():
            time.sleep(1)
            for seq in range(2, EVENTS + 2):
                on_commit = partial(_note, committed, seq)
                add_events(execution.pk, 1, size=200, on_commit=on_commit)
                time.sleep(PACE)
                frame = event_frame(Event.objects.get(execution=execution, seq=seq)).sse
                _note(echoed, seq)
                sender.request("POST", "/", body=frame)
                sender.getresponse().read()
                time.sleep(PACE)
            time.sleep(2)
        ours = latencies(clients[0].notes(), committed)
        floor = latencies(clients[1].notes(), echoed)
    finally:
        for each in clients:
            each.stop()
        web.stop()
        echo.stop()
    ours_p95, floor_p95 = show("ours", ours), show("bare echo", floor)
    print(f"watchers: ratio of the p95s {ours_p95 / floor_p95:.2f}")


def _note(times: dict[int, float], seq: int) -> None:
    times[seq] = time.monotonic()


def api_times(ports: Sequence[int], path: str, token: str) -> list[list[float]]:
    """Return how long calls of several servers take, in turns, one after the other, in milliseconds."""
    callers = [http.client.HTTPConnection(HOST, port) for port in ports]
    took: list[list[float]] = [[] for _ in ports]
    for _ in range(REQUESTS):
        for caller, times in zip(callers, took, strict=True):
            begin = time.monotonic()
            caller.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            assert caller.getresponse().read()
            times.append((time.monotonic() - begin) * 1000)
    for caller in callers:
        caller.close()
    return [times[20:] for times in took]


def bench_idle(url: str, actor: User, token: str) -> None:
    """One server has the streams, another one has none; they are asked in turns."""
    executions = [start(actor, "bench_chain", 100 + number) for number in range(IDLE_EXECUTIONS)]
    path = f"/api/v1/executions/{executions[0].pk}"
    free, web = web_server(url), web_server(url)
    clients = None
    try:
        api_times([free.port, web.port], path, token)
        memory, connections = web.megabytes(), _connections()
        begin = time.monotonic()
        paths = ",".join(f"/api/v1/executions/{execution.pk}/stream" for execution in executions)
        clients = Clients("watch", web.port, paths, IDLE, token)
        opened = time.monotonic() - begin
        time.sleep(3)
        each, connections = (web.megabytes() - memory) * 1024 / IDLE, _connections() - connections
        without, with_them = (p95(times) for times in api_times([free.port, web.port], path, token))
        print(
            f"idle: {IDLE:,} streams of {IDLE_EXECUTIONS} runs opened in {opened:.1f} s, {each:.0f} KB each,"
            f" {web.threads()} threads, {connections} connections to the database more than without"
        )
        print(
            f"idle: API p95 {without:.1f} ms without, {with_them:.1f} ms with them: ratio {with_them / without:.2f}"
            " (bound: at most 1.5)"
        )
    finally:
        if clients is not None:
            clients.stop()
        web.stop()
        free.stop()


def _connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def bench_silent(url: str, actor: User, token: str) -> None:
    execution = start(actor, "bench_chain", 3)
    web = web_server(url)
    try:
        path = f"/api/v1/executions/{execution.pk}/stream"
        good = Clients("watch", web.port, path, 1, token)
        clients = Clients("silent", web.port, path, SILENT, token)
        time.sleep(3)
        before, most = web.megabytes(), 0.0
        for _ in range(20):
            add_events(execution.pk, SILENT_EVENTS // 20, size=SILENT_SIZE)
            time.sleep(0.2)
            most = max(most, web.megabytes())
        time.sleep(2)
        received = len(good.notes()) - 1
        clients.stop()
        good.stop()
    finally:
        web.stop()
    written = SILENT * SILENT_EVENTS * SILENT_SIZE / 2**20
    print(
        f"silent: {SILENT} clients that never read, {written:.0f} MB written for them: at most"
        f" {most - before:.1f} MB more in the web process; a watcher beside them got {received} of {SILENT_EVENTS}"
    )


def main() -> None:
    benches = {"watchers": bench_watchers, "idle": bench_idle, "silent": bench_silent}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", nargs="*", choices=[*benches, []], help="benchmarks to run (default: all)")
    which = parser.parse_args().which or benches
    with own_database() as url:
        load_package(PACKAGE, at=timezone.now())
        actor = make_actor()
        _, token = AuthToken.objects.create(actor)
        for name, bench in benches.items():
            if name in which:
                bench(url, actor, token)


if __name__ == "__main__":
    main()
