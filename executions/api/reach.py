"""Lists of rows that belong to projects, in a form that indexes serve, however little of it all somebody may see.

To walk the newest rows of all until a page of visible ones is full is quick where most are visible, and reads the whole
table where hardly any are. So where somebody sees few projects, the first rows of each are taken from the index by
project, and the page from these: that costs the same wherever in the list those rows are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import EmptyResultSet
from django.db.models import BooleanField, Case, F, Func, Model, QuerySet, Value, When
from django.db.models.expressions import RawSQL
from rest_framework.generics import GenericAPIView

from executions.api.views.callers import caller
from executions.models import Execution, Gate, Project

M = TypeVar("M", bound=Model)

FEW = 100
FEW_EXECUTIONS = 5000


class RowsOfList(GenericAPIView[M]):
    """A list whose pages are found by their keys."""

    def shown(self, rows: QuerySet[M]) -> QuerySet[M]:
        """Load what the list shows of some rows."""
        return rows

    def take(self, rows: QuerySet[M], count: int) -> QuerySet[M]:
        """Return the first of some ordered rows; the paginator calls this.

        Their keys come first: so nothing is sorted but what is compared, where no index has the order.
        """
        found = rows.model._default_manager.filter(pk__in=self.keys(rows, count))
        return self.shown(found).order_by(*rows.query.order_by)

    def keys(self, rows: QuerySet[M], count: int) -> Any:
        """Return the keys of the first rows, as a subquery or a list."""
        return rows.values("pk")[:count]


class ProjectRows(RowsOfList[M]):
    """A list of rows that have a ``project_id``."""

    def within_reach(self, rows: QuerySet[M]) -> QuerySet[M]:
        """Keep what the caller may see."""
        user = caller(self.request)
        self.projects: list[str] | None = None
        if user.is_superuser:
            return rows
        visible = Project.objects.visible_to(user).values("pk")
        self.projects = _few(visible)
        if self.projects is not None:
            return rows.filter(project_id__in=self.projects)
        # Looked up for each row that is met, not joined: a join is sorted whole before its first rows are taken.
        return rows.filter(Case(When(project_id__in=visible, then=Value(True)), default=Value(False)))

    def keys(self, rows: QuerySet[M], count: int) -> Any:
        if self.projects is None:
            return super().keys(rows, count)
        return _first_of_each(rows, self.projects, count)


class GateRows(RowsOfList[Gate]):
    """A list of gates, whose projects are those of their executions."""

    def within_reach(self, rows: QuerySet[Gate]) -> QuerySet[Gate]:
        """Keep what the caller may see."""
        user = caller(self.request)
        if user.is_superuser:
            return rows
        visible = Project.objects.visible_to(user).values("pk")
        projects = _few(visible)
        if projects is None:
            return rows.filter(execution__project__in=visible)
        executions = Execution.objects.filter(project_id__in=projects).values("pk")
        if executions[: FEW_EXECUTIONS + 1].count() > FEW_EXECUTIONS:
            return rows.filter(execution__project_id__in=projects)
        # As an array, they are looked up one by one: the newest gates of all may every one be somebody else's.
        gathered = Func(
            F("execution_id"),
            ArraySubquery(executions),
            template="%(expressions)s)",
            arg_joiner=" = ANY(",
            output_field=BooleanField(),
        )
        return rows.filter(gathered)


def _few(visible: QuerySet[Project, Any]) -> list[str] | None:
    """Return the ids of some projects, or ``None`` if they are many."""
    projects = [row["pk"] for row in visible[: FEW + 1]]
    return projects if len(projects) <= FEW else None


def _first_of_each(rows: QuerySet[M], projects: Sequence[str], count: int) -> RawSQL | list[Any]:
    """Return the keys of the first rows, looked for in each project by itself. Their order ends in ``id``."""
    order = [str(name) for name in rows.query.order_by]
    columns = [name.removeprefix("-") for name in order]
    of_one = rows.filter(project_id=RawSQL('"reach"."id"', ())).values(*columns)[:count]
    try:
        sql, params = of_one.query.sql_with_params()
    except EmptyResultSet:  # the conditions cannot hold, say for want of a project
        return []
    ordered = ", ".join(f'"found"."{name.removeprefix("-")}"{" DESC" if name[0] == "-" else ""}' for name in order)
    # Made of the names of columns and of what Django has compiled; every value is a parameter.
    first = f"""SELECT "found"."id" FROM unnest(%s::text[]) AS "reach"("id") CROSS JOIN LATERAL ({sql}) AS "found"
                ORDER BY {ordered} LIMIT {count}"""  # noqa: S608
    return RawSQL(first, (list(projects), *params))  # noqa: S611
