"""How fast the costs are, of a ledger of 1,000,000 calls in a year: python -m bench.telemetry [--calls N] [--plans]

Fifty projects, 20 calls a run, spread over a year until now; one call in a hundred is lost, some are in flight. What is
measured is a whole request in this process: summary, days and statistics of the API from token to JSON, the data of
the cost page with all its statements, and that page as HTML; for an administrator, for a member of 3 of the 50
projects, and for somebody who sees 49. Bound: p95 at most 150 ms. ``--plans`` prints what PostgreSQL does for the main
ones, as docs/telemetry-plans.md has it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import psutil
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from bench.plans import show_plans
from bench.world import PACKAGE, own_database
from executions.llm.pricing import price_call
from executions.models import Project
from telemetry.dashboard.page import dashboard
from telemetry.dashboard.values import Dashboard, Filter
from telemetry.dashboard.values import Group as By
from telemetry.queries import visible_to
from telemetry.rollup import roll_up
from telemetry.verification import differences
from workflows.services import current_revision, load_package

PROJECTS = 50
CALLS_PER_RUN = 20
BOUND_MS = 150
TABLES = (
    *("telemetry_daysums", "telemetry_slotsums", "telemetry_workflowsums", "telemetry_stepsums"),
    *("telemetry_spansums", "telemetry_durations", "telemetry_gatesums", "telemetry_opencall", "telemetry_lostcall"),
)

# Five workflows of eight steps; a run takes ten minutes and begins at any time of the year.
_LOAD = (
    """
    INSERT INTO executions_execution (id, project_id, revision_id, workflow_id, status, brief, cost_usd, reserved_usd,
        model_ids, started_at, completed_at, updated_at, last_seq, error_code, error_detail)
    SELECT md5('run' || n)::uuid, 'p' || (n * 7 %% %(projects)s), %(revision)s,
           (ARRAY['bench_chain', 'w1', 'w2', 'w3', 'w4'])[1 + n * 13 %% 5],
           CASE WHEN n %% 25 = 0 THEN 'failed' ELSE 'completed' END, jsonb_build_object('subject', repeat('x', 400)),
           0, 0, '{}', at, at + interval '10 min', at, 40, '', ''
      FROM (SELECT n, %(now)s - interval '1 year' * random() AS at FROM generate_series(1, %(runs)s) n) runs
    """,
    """
    INSERT INTO executions_step (execution_id, path, step_id, is_iteration, scope_type, scope_id, sort_key, status,
        attempt, tries, failures, provider_failures, crashes, question_rounds, rework_rounds, carry, error_code,
        error_detail)
    SELECT md5('run' || n)::uuid, 'step_' || s, 'step_' || s, false, 'project', 'p', s::text, 'completed', 1, 3, 0, 0,
           0, 0, 0, '{}', '', ''
      FROM generate_series(1, %(runs)s) n, generate_series(1, 8) s
    """,
    """
    INSERT INTO executions_attempt (id, execution_id, step_id, n, content_attempt, status, started_at, finished_at,
        outcome, detail, findings)
    SELECT md5(s.id || '/' || k)::uuid, s.execution_id, s.id, k, k, 'succeeded', at, at + interval '15 s',
           CASE WHEN k = 3 OR s.id %% 3 = 0 THEN 'document' WHEN s.id %% 3 = 1 THEN 'OUTPUT_INVALID' ELSE 'asked' END,
           '', '[]'
      FROM executions_step s JOIN executions_execution e ON e.id = s.execution_id, generate_series(1, 3) k,
           LATERAL (SELECT e.started_at + right(s.step_id, 1)::int * interval '70 s' + k * interval '20 s' AS at) began
     WHERE k < 3 OR s.step_id <= 'step_4'
    """,
    """
    INSERT INTO executions_event (execution_id, seq, event_type, step_id, path, timestamp, data)
    SELECT id, seq, CASE seq WHEN 1 THEN 'execution_started' WHEN 2 THEN 'step_started' ELSE 'step_completed' END,
           'step_1', 'step_1', started_at, '{}'
      FROM executions_execution, generate_series(1, 10) seq
    """,
    # Two gates of a document in four steps of a run: the second is of the version that came of the first.
    """
    INSERT INTO executions_gate (id, execution_id, step_id, path, kind, status, document_type, scope_type, scope_id,
        document_version, content_sha256, questions, roles, users, quorum, four_eyes, policy, opened_at, closed_at,
        cost_usd)
    SELECT md5('gate' || a.id)::uuid, a.execution_id, a.step_id, s.path, 'acceptance', 'decided', 'note', 'project',
           'p', a.n, '', '[]', '[]', '[]', 1, false, '{}', a.finished_at,
           a.finished_at + interval '8 h' * random() * random(), random()::numeric(20, 10) / 7
      FROM executions_attempt a JOIN executions_step s ON s.id = a.step_id
     WHERE a.outcome = 'document' AND s.step_id <= 'step_4' AND a.finished_at < %(now)s
    """,
    """
    INSERT INTO executions_decision (gate_id, by, decision, comment, comments, content_sha256, channel, decided_at)
    SELECT g.id, 'somebody', CASE WHEN g.document_version < 3 THEN 'request_changes' ELSE 'accept' END, '', '[]', '',
           'api', g.closed_at
      FROM executions_gate g
    """,
    """
    WITH call AS (
        SELECT id, execution_id, step_id, started_at, random() AS size, abs(hashtext(id::text)) AS chance
          FROM executions_attempt WHERE started_at < %(now)s
    ), ended AS (
        SELECT *, CASE WHEN started_at > %(now)s - interval '1 min' THEN 'in_flight' WHEN chance %% 100 = 0 THEN 'lost'
                       WHEN chance %% 100 = 1 THEN 'cancelled' WHEN chance %% 100 < 5 THEN 'failed'
                       ELSE 'succeeded' END AS status
          FROM call
    )
    INSERT INTO executions_llmcall (id, execution_id, step_id, attempt_id, status, model, request_sha256, request_chars,
        max_tokens, reserved_usd, input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens,
        cache_write_1h_tokens, thinking_tokens, usage, is_estimated, cost_usd, unit_prices, price_version, latency_ms,
        time_to_first_token_ms, stop_reason, message_id, request_id, error_class, response_text, is_offline, started_at,
        finished_at)
    SELECT gen_random_uuid(), execution_id, step_id, id, status,
           CASE WHEN step_id %% 4 = 0 THEN 'claude-haiku-5-5' ELSE 'claude-sonnet-5-5' END, '', 9000, 8000, 0,
           1000 + (size * 3000)::int, (size * 2000)::int, (size * 9000)::int, (size * 500)::int, (size * 100)::int,
           (size * 300)::int, '{}', status IN ('lost', 'cancelled'),
           CASE WHEN size < 0.995 AND status <> 'in_flight' THEN size::numeric(20, 10) / 20 END,
           CASE WHEN step_id %% 4 = 0 THEN %(tiered)s ELSE %(flat)s END::jsonb, 'genai-prices 0',
           CASE WHEN status = 'succeeded' THEN 500 + (size * 9000)::int END,
           CASE WHEN status = 'succeeded' THEN 200 + (size * random() * 900)::int END, 'end_turn', '', '', '',
           repeat('answer ', 60), false, started_at,
           CASE WHEN status <> 'in_flight' THEN started_at + interval '20 s' END
      FROM ended
    """,
    """
    UPDATE executions_execution e SET cost_usd = c.cost
      FROM (SELECT execution_id, COALESCE(sum(cost_usd), 0) AS cost FROM executions_llmcall GROUP BY 1) c
     WHERE c.execution_id = e.id
    """,
)


def load(calls: int) -> None:
    """Write the ledger, past the engine."""
    load_package(PACKAGE, at=timezone.now())
    revision = current_revision("bench_chain")
    for number in range(PROJECTS):
        Project.objects.create(pk=f"p{number}", created_at=timezone.now())
    params: dict[str, Any] = {
        "projects": PROJECTS,
        "runs": calls // CALLS_PER_RUN,
        "revision": revision.pk,
        "now": timezone.now(),
        "flat": json.dumps(price_call("claude-sonnet-5-5", {"input_tokens": 1}).unit_prices),
        "tiered": json.dumps(price_call("claude-haiku-5-5", {"input_tokens": 1}).unit_prices),
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SET statement_timeout = 0; SET synchronous_commit = off; SET session_replication_role = replica"
        )
        for statement in _LOAD:
            cursor.execute(statement, params)
        cursor.execute("SET session_replication_role = origin")
    _settle()


def _settle() -> None:
    """Leave the server nothing to do of what was written."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def people() -> dict[str, Person]:
    """Make the callers. The projects have members, so that it matters who asks."""
    viewers = Group.objects.get_or_create(name="viewer")[0]
    sees = {"administrator": [], "member of 3": range(3), "member of 49": range(49)}
    clients = {}
    for name, numbers in sees.items():
        user = User.objects.create(username=name.replace(" ", "-"), is_superuser=name == "administrator", is_staff=True)
        user.groups.add(viewers)
        for number in numbers:
            Project.objects.get(pk=f"p{number}").users.add(user)
        _, token = AuthToken.objects.create(user)
        api = APIClient(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {token}"})
        pages = Client(SERVER_NAME="localhost")
        pages.force_login(user)
        clients[name] = Person(user, api, pages)
    hidden = User.objects.create(username="somebody-else")
    Project.objects.get(pk="p49").users.add(hidden)
    return clients


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks: of the API, and in a browser."""

    user: User
    api: APIClient
    pages: Client

    def data(self, url: str) -> Callable[[], Any]:
        return lambda: _checked(self.api.get(f"/api/v1/telemetry/{url}"))

    def page(self, url: str) -> Callable[[], Any]:
        return lambda: _checked(self.pages.get(f"/costs/?{url}"))

    def dashboard(self, days: int, zone: str, group: By) -> Callable[[], Any]:
        today = timezone.now().astimezone(ZoneInfo(zone)).date()

        def read() -> Dashboard:
            scope = visible_to(self.user)
            asked = Filter(
                scope=scope, zone=ZoneInfo(zone), start=today - timedelta(days=days - 1), end=today, group=group
            )
            return dashboard(asked, now=timezone.now())

        return read


def _checked(answer: Any) -> Any:
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.status_code}: {answer.content[:500]!r}")
    return answer


def pages() -> dict[str, Callable[[Person], Callable[[], Any]]]:
    """What is asked of the cost page: its data for a length of time, and the page with it."""
    today = timezone.now().date()
    asked: dict[str, Callable[[Person], Callable[[], Any]]] = {"page, as it opens": partial(Person.page, url="")}
    for days in (30, 365):
        since = today - timedelta(days=days - 1)
        for zone in ("UTC", "Europe/Berlin"):
            for group in (By.MODEL, By.STEP, By.KIND):
                asked[f"data, {days} days in {zone}, by {group}"] = partial(
                    Person.dashboard, days=days, zone=zone, group=group
                )
        asked[f"page, {days} days in Europe/Berlin"] = partial(
            Person.page, url=f"from={since}&to={today}&tz=Europe/Berlin&group=model"
        )
    return asked


def questions() -> dict[str, str]:
    today = timezone.now().date()
    year = f"start={today - timedelta(days=364)}&end={today}"
    month = f"start={today - timedelta(days=29)}&end={today}"
    return {
        "summary, all time": "summary",
        "summary of a year in Berlin": f"summary?{year}&tz=Europe/Berlin",
        "summary of a workflow": "summary?workflow_id=w1",
        "summary of a model": "summary?model=claude-haiku-5-5",
        "summary of a step": "summary?step_id=step_3",
        "days of a year": f"costs/daily?{year}",
        "days of a year in Berlin": f"costs/daily?{year}&tz=Europe/Berlin",
        "days of a year in Kolkata": f"costs/daily?{year}&tz=Asia/Kolkata",
        "days of a month in Berlin": f"costs/daily?{month}&tz=Europe/Berlin",
        "days of a year of a step": f"costs/daily?{year}&step_id=step_3",
        "statistics of a workflow": "workflows/bench_chain/stats",
    }


def measure(ask: Callable[[], Any], *, rounds: int) -> tuple[float, float, float]:
    """Return p50 and p95 of the time, and the mean of the CPU time of both sides, in ms; the first call is warming."""
    took = []
    for number in range(rounds + 1):
        if number == 1:
            used = _cpu_seconds()
        begin = time.perf_counter()
        ask()
        took.append((time.perf_counter() - begin) * 1000)
    cpu = (_cpu_seconds() - used) * 1000 / rounds
    return statistics.median(took[1:]), statistics.quantiles(took[1:], n=20)[-1], cpu


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of the server's process behind its connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        server = psutil.Process(cursor.fetchone()[0]).cpu_times()
    return time.process_time() + float(server.user + server.system)


def roll_everything() -> float:
    begin = time.perf_counter()
    while roll_up():
        pass
    return time.perf_counter() - begin


def count(table: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), pg_size_pretty(pg_total_relation_size('{table}')) FROM {table}")  # noqa: S608
        return cursor.fetchone()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--plans", action="store_true")
    options = parser.parse_args()
    with own_database():
        load(options.calls)
        clients = people()
        slow, *_ = measure(clients["administrator"].data("summary"), rounds=2)
        print(f"without any sums: a summary takes {slow:.0f} ms")
        print(f"the sums were made in {roll_everything():.1f} s, and brought up to date in {roll_everything():.3f} s")
        _settle()
        for table in ("executions_llmcall", "executions_gate", *TABLES):
            rows, size = count(table)
            print(f"  {table}: {rows:,} rows, {size}")
        begin = time.perf_counter()
        wrong = list(differences())
        print(f"compared with the ledger in {time.perf_counter() - begin:.1f} s: {len(wrong)} differences")
        print(f"\np50 / p95 / CPU time, in ms (bound of p95: {BOUND_MS})")
        print(f"  {'':42}" + "   ".join(f"{name:24}" for name in clients))
        asked = {name: partial(Person.data, url=url) for name, url in questions().items()} | pages()
        for question, ask in asked.items():
            shown = []
            for person in clients.values():
                p50, p95, cpu = measure(ask(person), rounds=options.rounds)
                shown.append(f"{p50:6.1f} /{p95:6.1f} /{cpu:6.1f}{' !' if p95 > BOUND_MS else '  '}")
            print(f"  {question:42}" + "   ".join(shown), flush=True)
        if options.plans:
            _show_main_plans(asked, clients["administrator"], clients["member of 3"])


def _show_main_plans(
    asked: dict[str, Callable[[Person], Callable[[], Any]]], administrator: Person, member: Person
) -> None:
    show_plans("Summary, all time, administrator", asked["summary, all time"](administrator))
    show_plans("Summary, all time, member of 3 projects", asked["summary, all time"](member))
    show_plans("Days of a year in Berlin, administrator", asked["days of a year in Berlin"](administrator))
    show_plans("Days of a year of a step, administrator", asked["days of a year of a step"](administrator))
    for days in (30, 365):
        name = f"data, {days} days in Europe/Berlin, by model"
        show_plans(f"Cost page, {days} days in Berlin, administrator", asked[name](administrator), is_page=True)


if __name__ == "__main__":
    main()
