"""Totals of calls by time, project, workflow, step and model: the sums, and the ledger where they do not reach.

One statement reads both, so that it sees one state of them. It is not the length of the ledger that it takes its time
from: without a filter it reads a row per day (or quarter of an hour) and project, for a person who sees all projects a
row per day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.db import connection

from documents import database
from executions.models import Project
from telemetry.days import Days
from telemetry.measures import ADDED, CALLS, EXECUTIONS, KEPT, OPEN_CALLS, PASSING, STEPS, of_call, together
from telemetry.models import ALL_PROJECTS, BEGINNING, Span
from telemetry.totals import Totals

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_FROM_SUMS = f"SELECT starts_at AS at, {', '.join(KEPT)}, {', '.join(f'0 AS {name}' for name in PASSING)}"
_LESS = ", ".join(f"-{name}" if name in ADDED else name for name in KEPT)
_LESS_SUMS = f"SELECT starts_at AS at, {_LESS}, {', '.join('0' for _ in PASSING)}"
_FROM_CALL = f"SELECT c.started_at AS at, {of_call(KEPT | PASSING)}"
_SUM = f"SELECT {together(KEPT | PASSING)} FROM part"  # noqa: S608 - static text
# Without the time of the first call: where sums are taken away from others, it may be one of those.
_SUM_OF_DAY = together(KEPT | PASSING).replace("min(first_at)", "NULL")
_SUM_BY_DAY = f"""
SELECT width_bucket(at, %s::timestamptz[]) - 1, {_SUM_OF_DAY} FROM part GROUP BY 1
"""  # noqa: S608 - static text
_REACH = """
SELECT COALESCE((SELECT rolled_until FROM telemetry_watermark), %s), (SELECT min(started_at) FROM executions_llmcall)
"""

ROLLED_UNTIL = "COALESCE((SELECT rolled_until FROM telemetry_watermark), %s)"
_NOT_WHOLE = {"cost_usd", "estimated_cost_usd", "first_at"}

# Texts with one placeholder each, and the values for them.
Conditions = list[tuple[str, Any]]
Part = tuple[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which calls are meant. ``projects`` is ``None`` for all; ``since`` is in the stretch of time, ``until`` not.

    ``others`` are, where they are known, all projects that there were beside these a moment ago. What the sums hold is
    older, so it is of the ones or of the others.
    """

    projects: Sequence[str] | None = None
    others: Sequence[str] | None = None
    workflow_id: str | None = None
    step_id: str | None = None
    model: str | None = None
    since: datetime = BEGINNING
    until: datetime = datetime(3001, 1, 1, tzinfo=UTC)

    @property
    def table(self) -> str | None:
        """The table that knows what is asked beside the project; ``None`` where only the project is."""
        if self.step_id is not None:
            return "telemetry_stepsums"
        return "telemetry_workflowsums" if self.workflow_id is not None or self.model is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far the sums go, at least, and when the first call of all was started."""

    rolled_until: datetime
    first_at: datetime | None


def visible_to(user: User, project_id: str | None = None) -> Scope:
    """Return the scope of all calls that ``user`` may see; of them only those of ``project_id``, if it is given."""
    if user.is_superuser:
        return Scope(projects=None if project_id is None else [project_id])
    visible = Project.objects.visible_to(user)
    if project_id is not None:
        return Scope(projects=list(visible.filter(pk=project_id).values_list("pk", flat=True)))
    projects = list(visible.values_list("pk", flat=True))
    others = set(Project.objects.values_list("pk", flat=True)) - set(projects)
    return Scope(projects=projects, others=sorted(others))


def reach() -> Reach:
    """Return what there is to be read from."""
    with connection.cursor() as cursor:
        cursor.execute(_REACH, (BEGINNING,))
        rolled_until, first_at = cursor.fetchone()
    return Reach(rolled_until=rolled_until, first_at=first_at)


def total(scope: Scope, known: Reach) -> Totals:
    """Return what all calls of the scope come to, and when the first was started."""
    if scope.others:
        scope = replace(scope, others=None)  # of a difference the first call is not known
    (found,) = rows_of(_SUM, [], _parts(scope, known, _whole_days(scope)))
    return _totals(found)


def by_day(scope: Scope, days: Days, known: Reach) -> list[tuple[date, Totals]]:
    """Return what the calls of each day come to, days without calls too."""
    edges = days.edges()
    scope = replace(scope, since=edges[0], until=edges[-1])
    whole_days = (edges[0], edges[-1]) if all(_is_utc_midnight(each) for each in edges) else None
    found = rows_of(_SUM_BY_DAY, [edges], _parts(scope, known, whole_days))
    by_number = {row[0]: _totals(row[1:]) for row in found}
    return [(each, by_number.get(number, Totals())) for number, each in enumerate(days.dates())]


def _whole_days(scope: Scope) -> tuple[datetime, datetime] | None:
    """Return the UTC days that lie wholly in the scope's time, as a stretch."""
    first = utc_midnight(scope.since)
    if first < scope.since:
        first += timedelta(days=1)
    last = utc_midnight(scope.until)
    return (first, last) if first < last else None


def _parts(scope: Scope, known: Reach, whole_days: tuple[datetime, datetime] | None) -> list[Part]:
    """Return SELECTs whose rows together are the scope's calls, each once."""
    if scope.projects is not None and not scope.projects:
        return [(f"{_FROM_SUMS} FROM telemetry_daysums WHERE false", [])]
    stretch = (scope.since, scope.until)
    if scope.step_id is not None and whole_days is not None:
        asked = [("span = %s", Span.DAY.value), *of_sums(replace(scope, projects=None))]
        kept = _from_sums("telemetry_spansums", scope, whole_days, asked)
        kept += [_from_step_sums("telemetry_stepsums", scope, end) for end in _ends(stretch, whole_days)]
    elif scope.table is not None:
        kept = [_from_step_sums(scope.table, scope, stretch)]
    elif whole_days is None:
        kept = _from_sums("telemetry_slotsums", scope, stretch)
    else:
        kept = _from_sums("telemetry_daysums", scope, whole_days)
        for end in _ends(stretch, whole_days):
            kept += _from_sums("telemetry_slotsums", scope, end)
    return [*kept, *_from_ledger(scope, known)]


def _ends(stretch: tuple[datetime, datetime], whole: tuple[datetime, datetime]) -> list[tuple[datetime, datetime]]:
    """Return what is left of a stretch of time beside the whole days in it."""
    return [(since, until) for since, until in ((stretch[0], whole[0]), (whole[1], stretch[1])) if since < until]


def _from_step_sums(table: str, scope: Scope, stretch: tuple[datetime, datetime]) -> Part:
    return select(f"{_FROM_SUMS} FROM {table}", during(stretch) + of_sums(scope))


def _from_sums(
    table: str, scope: Scope, stretch: tuple[datetime, datetime], asked: Conditions | None = None
) -> list[Part]:
    """Return the sums by project; where fewer projects are left out than are meant, all less those."""
    conditions = [*during(stretch), *(asked or [])]
    of_all = select(f"{_FROM_SUMS} FROM {table}", [("project_id = %s", ALL_PROJECTS), *conditions])
    if scope.projects is None or scope.others == []:
        return [of_all]
    if scope.others is None or len(scope.others) >= len(scope.projects):
        return [select(f"{_FROM_SUMS} FROM {table}", [_in(scope.projects), *conditions])]
    return [of_all, select(f"{_LESS_SUMS} FROM {table}", [_in(scope.others), *conditions])]


def _in(projects: Sequence[str]) -> tuple[str, Any]:
    return "project_id = ANY(%s)", list(projects)


def during(stretch: tuple[datetime, datetime]) -> Conditions:
    """Return the condition that sums begin in a stretch of time."""
    return [("starts_at >= %s", stretch[0]), ("starts_at < %s", stretch[1])]


def _from_ledger(scope: Scope, known: Reach) -> list[Part]:
    return from_ledger(_FROM_CALL, EXECUTIONS if scope.step_id is None else STEPS, scope, known)


def from_ledger(read: str, joined: str, scope: Scope, known: Reach) -> list[Part]:
    """Return the calls from the watermark on, and those before it that were open when it passed.

    Where the watermark is must be read by the statement itself. That it has come at least so far as is known is said
    beside it: so PostgreSQL sees how few rows are left, and takes the index.
    """
    since_mark: Conditions = [
        (f"c.started_at >= {ROLLED_UNTIL}", BEGINNING),
        ("c.started_at >= %s", max(scope.since, known.rolled_until)),
        ("c.started_at < %s", scope.until),
    ]
    open_then: Conditions = [("o.started_at >= %s", scope.since), ("o.started_at < %s", scope.until)]
    return [
        select(f"{read} FROM {CALLS} {joined}", since_mark + of_ledger(scope)),
        select(f"{read} FROM {OPEN_CALLS} {joined}", open_then + of_ledger(scope)),
    ]


def of_sums(scope: Scope) -> Conditions:
    """Return what the scope asks of sums that have a step beside their time; of all projects, unless it names some."""
    return chosen(scope, projects="project_id", workflow="workflow_id", step="step_id", model="model")


def of_ledger(scope: Scope) -> Conditions:
    """Return what the scope asks of a call beside its time."""
    return chosen(scope, projects="e.project_id", workflow="e.workflow_id", step="s.step_id", model="c.model")


def chosen(scope: Scope, *, projects: str, workflow: str, step: str, model: str) -> Conditions:
    """Return what the scope asks for beside the time, of these columns."""
    asked: Conditions = [
        (f"{projects} = ANY(%s)", None if scope.projects is None else list(scope.projects)),
        (f"{workflow} = %s", scope.workflow_id),
        (f"{step} = %s", scope.step_id),
        (f"{model} = %s", scope.model),
    ]
    return [(text, value) for text, value in asked if value is not None]


def select(read: str, conditions: Conditions) -> Part:
    """Return a SELECT of what meets all conditions."""
    return f"{read} WHERE {' AND '.join(text for text, _ in conditions)}", [value for _, value in conditions]


def rows_of(select: str, params: list[Any], parts: list[Part]) -> list[tuple[Any, ...]]:
    """Run a SELECT from ``part``, which are the rows of all parts; without any there is nothing to be read."""
    if not parts:
        return []
    union = " UNION ALL ".join(sql for sql, _ in parts)
    values = [value for _, given in parts for value in given]
    # Made of this module's texts; every value is a parameter. Prepared: to plan them takes a third of their time.
    return database.rows(f"WITH part AS ({union}) {select}", [*values, *params])


def _totals(row: Iterable[Any]) -> Totals:
    """Return the totals of a row of sums; those of no calls are NULL."""
    named = zip((*KEPT, *PASSING), row, strict=True)
    # A sum of integers comes as a Decimal.
    figures: Any = {name: value if name in _NOT_WHOLE else int(value) for name, value in named if value is not None}
    return Totals(**figures)


def utc_midnight(at: datetime) -> datetime:
    """Return the beginning of the UTC day."""
    return datetime.combine(at.astimezone(UTC).date(), time.min, tzinfo=UTC)


def _is_utc_midnight(at: datetime) -> bool:
    return at == utc_midnight(at)
