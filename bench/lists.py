"""How fast the API's lists are at 100,000 executions: python -m bench.lists [--count N] [--requests N] [--report FILE]

Every list, by every filter and some together, for an administrator, for an operator who sees nine tenths of a thousand
projects, and for a member of five: first page, a page in the middle, last page, 50 rows each, asked of the real web
server (``manage.py web``) over one connection, one request after the other. Bound: p95 under 50 ms.

``--report`` also asks PostgreSQL how it found each page, and writes all of it to a file (docs/performance.md).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import logging
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import resolve
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from bench import stock
from bench.lists_report import Measured, Plan, write_report
from bench.world import ROOT, own_database
from executions.models import Execution

BASE = "/api/v1"
BOUND_MS = 50.0
PAGES = ("first", "middle", "last")
PAGE_SIZE = 50


def paths(project: str) -> list[str]:
    """Return the lists that are read; ``project`` is one that the reader sees."""
    now = timezone.now()
    week = "&".join(
        f"{name}={(now - timedelta(days=days)):%Y-%m-%d}"
        for name, days in (("started_after", 187), ("started_before", 180))
    )
    return [
        "executions",
        "executions?ordering=-completed_at",
        f"executions?project_id={project}",
        f"executions?workflow_id={stock.COMMON_WORKFLOW}",
        f"executions?workflow_id={stock.RARE_WORKFLOW}",
        "executions?status=completed",
        "executions?status=failed",
        "executions?status=cancelled",
        "executions?status=running",
        f"executions?{week}",
        f"executions?project_id={project}&status=failed",
        f"executions?workflow_id={stock.RARE_WORKFLOW}&status=failed",
        f"executions?project_id={project}&workflow_id={stock.COMMON_WORKFLOW}&{week}",
        "documents",
        f"documents?project_id={project}",
        "documents?latest=true&document_type=charter",
        "documents?status=in_review",
        "documents?status=rejected",
        f"documents?scope_id={project}",
        f"documents/by-scope/project/{project}/charter/versions",
        "gates",
        "gates?status=open",
        "gates?mine=true",
        f"gates?project_id={project}&status=decided",
        "projects",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who reads the lists."""

    name: str
    who: str
    project: str


class Web:
    """The real web server on the benchmark's database, and one connection to it."""

    def __init__(self, database_url: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "COMBINE_HOST": "127.0.0.1",
            "COMBINE_PORT": str(self.port),
            "COMBINE_THROTTLE": "off",
            "COMBINE_LOG_LEVEL": "WARNING",
        }
        command = [sys.executable, str(ROOT / "manage.py"), "web"]
        self.process = subprocess.Popen(command, env=environment, cwd=ROOT)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.get("/livez", "")
                return
            self.connection.close()
            time.sleep(0.1)
        raise RuntimeError("the web server did not start")

    def get(self, target: str, token: str) -> tuple[float, bytes]:
        """Ask for something; return the milliseconds until the answer was there, and it."""
        begin = time.perf_counter()
        self.connection.request("GET", target, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = self.connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - begin) * 1000
        if answer.status != 200:
            raise RuntimeError(f"{target}: {answer.status} {body.decode()}")
        return took, body

    def cpu_seconds(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(20)


def token_of(name: str) -> str:
    out = io.StringIO()
    call_command("create_token", name, stdout=out)
    return out.getvalue().strip()


def targets(path: str, user: User) -> Iterator[tuple[str, str]]:
    """Yield (page, its URL) for the pages that a list has; those with a cursor begin after a row of that place."""
    yield "first", f"{BASE}/{path}"
    view, rows = _list_view(f"{BASE}/{path}", user)
    ordered = rows.order_by(*(f"{_sign(view)}{column}" for column in view.paginator.columns))
    count = ordered.count()
    if count > 2 * PAGE_SIZE:
        yield "middle", _after(view, ordered[count // 2])
    if count > PAGE_SIZE:
        yield "last", _after(view, ordered[count - PAGE_SIZE - 1])


def _list_view(target: str, user: User) -> tuple[Any, Any]:
    """Return the view behind a URL, ready to page, and all rows of its list."""
    request = APIRequestFactory().get(target)
    found = resolve(request.path)
    view = found.func.cls(**found.func.initkwargs)  # type: ignore[attr-defined]
    view.setup(request, *found.args, **found.kwargs)
    view.request = Request(request)
    view.request.user = user
    # The view itself says which rows it pages; what it does with them afterwards is of no matter here.
    view.paginate_queryset = _catch
    try:
        view.get(view.request, **found.kwargs)
    except _Caught as caught:
        rows = caught.args[0]
    paginator = view.paginator
    paginator.request = view.request
    paginator.ordering = view.request.query_params.get("ordering", view.default_ordering)
    paginator.columns = view.orderings[paginator.ordering.removeprefix("-")]
    return view, rows


class _Caught(Exception):
    """The rows that a view was about to page."""


def _catch(rows: Any) -> list[Any]:
    raise _Caught(rows)


def _sign(view: Any) -> str:
    return "-" if view.paginator.ordering.startswith("-") else ""


def _after(view: Any, row: Any) -> str:
    link = str(view.paginator._link("after", view.paginator._values(row)))
    return link.removeprefix("http://testserver")


def measure(web: Web, target: str, token: str, requests: int) -> dict[str, Any]:
    """Ask for a page some times; return how many rows it has, and how long it took."""
    for _ in range(3):
        _, body = web.get(target, token)
    before = web.cpu_seconds()
    took = sorted(web.get(target, token)[0] for _ in range(requests))
    return {
        "rows": len(json.loads(body)["results"]),
        "p50": statistics.median(took),
        "p95": took[int(len(took) * 0.95) - 1],
        "cpu": (web.cpu_seconds() - before) / requests * 1000,
    }


def plan_of(target: str, user: User) -> Plan:
    """Ask PostgreSQL how it finds the rows of a page: of the statements of a request, the one that pages."""
    client = APIClient(SERVER_NAME="localhost")
    client.force_authenticate(user)
    user.__dict__.pop("_combine_roles", None)
    with CaptureQueriesContext(connection) as statements:
        client.get(target)
    paging = [each["sql"] for each in statements.captured_queries if re.search(r"LIMIT 51\b", each["sql"])]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, COSTS OFF, BUFFERS OFF, TIMING OFF) " + paging[-1].replace("%", "%%"), ())
        lines = [line for (line,) in cursor.fetchall()]
    return Plan(statements=len(statements), lines=lines)


def read_lists(web: Web, reader: Reader, options: argparse.Namespace) -> Iterator[Measured]:
    """Measure every list for one reader."""
    user, token = User.objects.get(username=reader.name), token_of(reader.name)
    for path in paths(reader.project):
        for page, target in targets(path, user):
            figures = measure(web, target, token, options.requests)
            plan = plan_of(target, user) if options.report else None
            yield Measured(who=reader.who, path=path, page=page, plan=plan, **figures)
    yield from _read_long_one(web, reader, token, options)


def _read_long_one(web: Web, reader: Reader, token: str, options: argparse.Namespace) -> Iterator[Measured]:
    """Measure the pages of what belongs to one execution, where the reader sees the long one."""
    long_one = Execution.objects.filter(project_id=stock.LARGE, status="completed").order_by("-started_at")[0]
    if reader.project != stock.LARGE:
        return
    parts = {
        "events": (stock.LONG_EVENTS // 2, stock.LONG_EVENTS - PAGE_SIZE),
        "steps": (f"step_{stock.LONG_STEPS // 2}", f"step_{stock.LONG_STEPS - PAGE_SIZE}"),
    }
    for part, (middle, last) in parts.items():
        for page, after in zip(PAGES, ("", f"&after={middle}", f"&after={last}"), strict=True):
            target = f"{BASE}/executions/{long_one.pk}/{part}?limit={PAGE_SIZE}{after}"
            figures = measure(web, target, token, options.requests)
            yield Measured(who=reader.who, path=f"executions/{{id}}/{part}", page=page, plan=None, **figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="how many executions there are")
    parser.add_argument("--requests", type=int, default=40, help="how many times each page is asked for")
    parser.add_argument("--report", type=Path, help="write figures and plans to this file")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    settings.ALLOWED_HOSTS = ["*"]
    measured: list[Measured] = []
    others = os.getloadavg()[0]
    with own_database() as url:
        begin = time.monotonic()
        stock.build(options.count)
        print(f"lists: {options.count:,} executions and what belongs to them in {time.monotonic() - begin:.0f} s")
        web = Web(url)
        try:
            for name, who in (("root", "administrator"), ("olga", "operator of 900 projects")):
                measured += shown(read_lists(web, Reader(name=name, who=who, project=stock.LARGE), options))
            stock.close_projects()
            reader = Reader(name="mona", who="member of 5 projects", project=stock.OLD)
            measured += shown(read_lists(web, reader, options))
        finally:
            web.stop()
    if options.report:
        write_report(
            options.report, measured, count=options.count, requests=options.requests, bound=BOUND_MS, others=others
        )
    runs = [each.p95 for each in measured if each.path.startswith("executions") and each.page != "middle"]
    print(f"lists: executions, first and last page: slowest p95 {max(runs):.1f} ms (bound: under {BOUND_MS:.0f})")
    print(f"lists: of all lists and pages the slowest p95 is {max(each.p95 for each in measured):.1f} ms")


def shown(measured: Iterator[Measured]) -> Iterator[Measured]:
    """Print each figure as it comes."""
    for each in measured:
        print(
            f"{each.who:25} {each.path:95} {each.page:6} {each.rows:3} rows"
            f"   p50 {each.p50:5.1f}   p95 {each.p95:5.1f} ms   CPU {each.cpu:5.1f} ms",
            flush=True,
        )
        yield each


if __name__ == "__main__":
    main()
