"""Where the figures of the cost pages lead: to the rows behind them, with the same filter."""

from __future__ import annotations

from django.urls import reverse

from telemetry.dashboard.values import Group
from telemetry.pages.filters import CostFilters

# What another page is not asked for: how this one draws its days, and which of its calls are shown.
_LEFT_BEHIND: dict[str, str | None] = {"group": None, "budget": None, "unpriced": None}


class Links:
    """Addresses that keep the filter of the page they stand on."""

    def __init__(
        self,
        filters: CostFilters,
        *,
        workflow_id: str | None = None,
        step_id: str | None = None,
        group: Group = Group.MODEL,
    ) -> None:
        self._filters = filters
        self._fixed = {name: value for name, value in (("workflow", workflow_id), ("step", step_id)) if value}
        # What the page stacks its days by where nothing is asked for; a file does not know of which page it is.
        self._group = {} if group == Group.MODEL else {"group": group.value}
        # Hundreds of links have the same query.
        self._queries: dict[tuple[tuple[str, str | None], ...], str] = {}

    def all(self) -> str:
        return self._to("costs-page", workflow=None, step=None, **_LEFT_BEHIND)

    def workflow(self, workflow_id: str) -> str:
        return self._to("costs-workflow-page", workflow_id, workflow=None, **_LEFT_BEHIND)

    def step(self, workflow_id: str, step_id: str) -> str:
        return self._to("costs-step-page", workflow_id, step_id, workflow=None, step=None, **_LEFT_BEHIND)

    def calls(self, **values: str | None) -> str:
        return self._to("costs-calls-page", **{**self._fixed, **_LEFT_BEHIND, **values})

    def unpriced(self, model: str) -> str:
        return self.calls(model=model, unpriced="1")

    def file(self, slug: str) -> str:
        """Return the address of a table's CSV."""
        group = {} if self._filters.data.get("group") else self._group
        return self._to("costs-file", slug, **{**self._fixed, **group, "budget": None})

    def _to(self, name: str, *args: str, **values: str | None) -> str:
        key = tuple(values.items())
        if (query := self._queries.get(key)) is None:
            query = self._queries[key] = self._filters.changed(**values)
        url = reverse(name, args=args)
        return f"{url}?{query}" if query else url
