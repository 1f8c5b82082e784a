"""How the machinery is: workers, the queue, webhooks, the database. For operators; it shows counts, never contents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from procrastinate.contrib.django.admin import ProcrastinateJobAdmin
from procrastinate.contrib.django.models import ProcrastinateJob

from documents import database
from executions.admin.people import has_role, person
from executions.amounts import NOTHING, span
from executions.services import liveness
from executions.services.access import is_operator

# Work that is due is taken up within a second; what waits for longer than this needs more workers, or one that lives.
LATE_AFTER_SECONDS = 15.0
MOST_WORKERS = 50
MOST_TABLES = 8

# The queue's own page of jobs needs inline styles. What matters of them is on this one.
if isinstance(admin.site._registry.get(ProcrastinateJob), ProcrastinateJobAdmin):
    admin.site.unregister(ProcrastinateJob)

_WORKERS = """
SELECT w.id, extract(epoch FROM clock_timestamp() - w.last_heartbeat)::float,
       (SELECT count(*) FROM executions_attempt a WHERE a.worker_id = w.id AND a.status = 'running')
  FROM procrastinate_workers w ORDER BY w.last_heartbeat DESC LIMIT %s
"""

_WORK = """
SELECT (SELECT count(*) FROM executions_execution WHERE status = 'pending'),
       (SELECT extract(epoch FROM clock_timestamp() - min(started_at))::float
          FROM executions_execution WHERE status = 'pending'),
       (SELECT count(*) FROM executions_execution WHERE status = 'running'),
       (SELECT count(*) FROM executions_llmcall WHERE status = 'in_flight'),
       (SELECT count(*) FROM executions_gate WHERE status = 'open'),
       (SELECT count(*) FROM executions_webhook WHERE is_active),
       (SELECT count(*) FROM executions_webhookdelivery WHERE status = 'pending'),
       (SELECT extract(epoch FROM clock_timestamp() - min(next_attempt_at))::float FROM executions_webhookdelivery
         WHERE status = 'pending' AND next_attempt_at <= clock_timestamp()),
       (SELECT count(*) FROM executions_webhook WHERE is_active AND failing_since IS NOT NULL),
       pg_database_size(current_database())
"""

_TABLES = """
SELECT c.relname, pg_total_relation_size(c.oid), greatest(c.reltuples, 0)::bigint
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname = current_schema() ORDER BY 2 DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLine:
    number: int
    silent_for: str
    is_alive: bool
    step_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One queue. Jobs that are abandoned belong to a worker that died a moment ago, those that failed to one that
    died before: what they were about has been looked at since."""

    counts: liveness.Queue
    oldest_due: str
    is_late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLine:
    name: str
    size: str
    row_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the page shows; ``troubles`` say what is wrong, each with what to do about it."""

    troubles: list[str]
    workers: list[WorkerLine]
    queues: list[QueueLine]
    tables: list[TableLine]
    facts: list[tuple[str, str]]


def health_view(request: HttpRequest, site: admin.AdminSite) -> HttpResponse:
    """Show how the machinery is.

    :raises PermissionDenied: to all but operators and administrators.
    """
    if not has_role(request) or not is_operator(person(request)):
        raise PermissionDenied("The health of the system is shown to operators.")
    context = {**site.each_context(request), "title": "Health", "health": read_health()}
    return TemplateResponse(request, "admin/executions/health/page.html", context)


def read_health() -> Health:
    """Ask the database, with four statements however much there is."""
    workers = [_worker(*row) for row in database.rows(_WORKERS, (MOST_WORKERS,))]
    queues = [_queue(each) for each in liveness.queues()]
    tables = [
        TableLine(name=name, size=filesizeformat(size), row_count=rows)
        for name, size, rows in database.rows(_TABLES, (MOST_TABLES,))
    ]
    pending, pending_for, running, calls, gates, hooks, backlog, backlog_for, failing, size = database.rows(_WORK)[0]
    troubles = [
        *_worker_troubles(workers, pending_for),
        *_queue_troubles(queues),
        *_webhook_troubles(backlog_for, failing),
    ]
    facts = [
        ("Executions to be taken up", f"{pending}, the oldest for {_length(pending_for)}" if pending else "none"),
        ("Executions running", str(running)),
        ("Calls to the model under way", str(calls)),
        ("Open gates", str(gates)),
        ("Webhooks", f"{hooks} active, {failing} failing" if hooks else "none"),
        ("Deliveries to be made", f"{backlog}, the oldest due for {_length(backlog_for)}" if backlog else "none"),
        ("Size of the database", filesizeformat(size)),
    ]
    return Health(troubles=troubles, workers=workers, queues=queues, tables=tables, facts=facts)


def _worker(number: int, silent_seconds: float, step_count: int) -> WorkerLine:
    is_alive = silent_seconds < liveness.DEAD_AFTER_SECONDS
    return WorkerLine(number=number, silent_for=_length(silent_seconds), is_alive=is_alive, step_count=step_count)


def _queue(queue: liveness.Queue) -> QueueLine:
    oldest = queue.oldest_due_seconds
    return QueueLine(
        counts=queue, oldest_due=_length(oldest), is_late=oldest is not None and oldest > LATE_AFTER_SECONDS
    )


def _worker_troubles(workers: list[WorkerLine], pending_for: float | None) -> list[str]:
    if not any(worker.is_alive for worker in workers):
        return ["No worker is running. What is started waits. Start one: manage.py worker, or manage.py up."]
    if pending_for is not None and pending_for > LATE_AFTER_SECONDS:
        return [f"An execution has waited {_length(pending_for)} to be taken up. Start more workers."]
    return []


def _queue_troubles(queues: list[QueueLine]) -> list[str]:
    said = []
    for queue in queues:
        if queue.is_late:
            said.append(f"The queue {queue.counts.name} is {queue.oldest_due} behind. Start more workers.")
        if count := queue.counts.abandoned_count:
            jobs = "1 job" if count == 1 else f"{count} jobs"
            said.append(f"A worker died with {jobs} of the queue {queue.counts.name}; another takes over within 15 s.")
    return said


def _webhook_troubles(backlog_for: float | None, failing: int) -> list[str]:
    said = []
    if backlog_for is not None and backlog_for > LATE_AFTER_SECONDS:
        said.append(f"Webhook deliveries are {_length(backlog_for)} late. Start more workers.")
    if failing:
        said.append(f"{failing} of the webhooks are not accepted by their receivers; see their deliveries.")
    return said


def _length(seconds: float | None) -> str:
    return NOTHING if seconds is None else span(timedelta(seconds=seconds))
