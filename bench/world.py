"""What every benchmark needs: a database of its own on the same server, a model server, a worker process."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
from django.core.management import call_command
from django.db import connection
from psycopg.sql import SQL, Identifier

from combine.database import ensure_database

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "bench" / "package"
DATABASE = f"bench_{os.getpid()}"
ANSWER = {
    "title": "A note of the benchmark",
    "summary": "Says in a few sentences what was found, what it means, and what is to be done about it. " * 3,
    "points": [f"Point {number}: a fact that somebody will want to look up again." for number in range(6)],
}


@contextlib.contextmanager
def own_database() -> Iterator[str]:
    """Make a database, point Django at it, migrate it, drop it at the end; yields its URL."""
    logging.getLogger().setLevel(logging.WARNING)  # what is printed is the report
    ensure_database()
    settings = connection.settings_dict
    server = {"host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"]}
    with psycopg.connect(dbname="postgres", autocommit=True, **server) as admin:
        admin.execute(SQL("CREATE DATABASE {}").format(Identifier(DATABASE)))
    url = f"postgresql://{server['user']}@/{DATABASE}?host={server['host']}&port={server['port']}"
    connection.close()
    settings["NAME"] = DATABASE
    try:
        call_command("migrate", verbosity=0)
        yield url
    finally:
        connection.close()
        with psycopg.connect(dbname="postgres", autocommit=True, **server) as admin:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(DATABASE)))


class ModelServer:
    """The scripted model in a process of its own."""

    def __init__(self, *, delay: float = 0.0, chunks: int = 1, chunk_delay: float = 0.0) -> None:
        arguments = ["--port", "0", "--delay", str(delay), "--chunks", str(chunks), "--chunk-delay", str(chunk_delay)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "executions.llm.offline.scripted", *arguments, "--exit-on-eof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        self.reply(delay=delay, chunk_count=chunks, chunk_delay=chunk_delay)

    def reply(self, **keys: Any) -> None:
        """Have every request answered with the same small document."""
        self.script = {"default": {"json": ANSWER, **keys}}
        self.post("/_script", self.script)

    def forget(self) -> None:
        """Empty the journal; the answers stay what they are."""
        self.post("/_reset")
        self.post("/_script", self.script)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:  # noqa: S310 - our own server
            return json.load(answer)

    def post(self, path: str, body: Any = None) -> None:
        data = json.dumps(body if body is not None else {}).encode()
        request = urllib.request.Request(self.url + path, data=data, method="POST")  # noqa: S310 - our own server
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
            answer.read()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Worker:
    """One real worker process on the benchmark's database."""

    def __init__(self, *, database_url: str, model_url: str, concurrency: int = 300) -> None:
        environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "ANTHROPIC_BASE_URL": model_url,
            "ANTHROPIC_API_KEY": "bench",
        }
        command = [sys.executable, str(ROOT / "manage.py"), "worker", "--concurrency", str(concurrency)]
        # It logs as ever, but not into the report.
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the worker is stopped
        self.process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=self.log)
        self.wait_until_registered()

    def wait_until_registered(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM procrastinate_workers")
                if cursor.fetchone()[0]:
                    time.sleep(0.5)
                    return
            time.sleep(0.05)
        self.log.seek(0)
        raise RuntimeError(f"the worker did not register: {self.log.read().decode(errors='replace')[-2000:]}")

    def megabytes(self) -> float:
        return float(psutil.Process(self.process.pid).memory_info().rss / 2**20)

    def cpu_seconds(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM procrastinate_workers")


def server_cpu_seconds() -> float:
    """Return the CPU time that all of PostgreSQL's processes of this user's server have used so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity UNION SELECT pg_backend_pid()")
        pids = {row[0] for row in cursor.fetchall()}
    postmaster = psutil.Process(next(iter(pids))).parent()
    times = [child.cpu_times() for child in postmaster.children()] if postmaster else []
    own = postmaster.cpu_times() if postmaster else None
    waited = own.children_user + own.children_system if own else 0.0
    return float(sum(each.user + each.system for each in times) + waited)
