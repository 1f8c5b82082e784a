"""What the cost pages are asked for. The address holds it, so that a page can be kept as a bookmark.

``from`` and ``to`` are days of the zone ``tz``, both included. Instead of them ``period`` names days that move with
today; nothing at all means the last thirty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from telemetry.api.filters import FIRST_DAY, LAST_DAY
from telemetry.dashboard.values import Filter, Group
from telemetry.days import UTC_ZONE, find_zone
from telemetry.queries import visible_to

MAX_DAYS = 1_100
DEFAULT_PERIOD = "30d"
DEFAULT_ZONE = "UTC"
PERIODS: dict[str, str | Promise] = {
    "today": gettext_lazy("Today"),
    "7d": gettext_lazy("7 days"),
    "30d": gettext_lazy("30 days"),
    "month": gettext_lazy("This month"),
}
GROUPS: dict[str, str | Promise] = {
    Group.MODEL: gettext_lazy("Model"),
    Group.WORKFLOW: gettext_lazy("Workflow"),
    Group.STEP: gettext_lazy("Step"),
    Group.KIND: gettext_lazy("Kind of token"),
}
# Zones that are offered; any other one of the IANA database can be typed.
ZONES = (
    *("UTC", "Africa/Cairo", "Africa/Johannesburg", "Africa/Lagos", "America/Bogota", "America/Chicago"),
    *("America/Denver", "America/Los_Angeles", "America/Mexico_City", "America/New_York", "America/Sao_Paulo"),
    *("America/Toronto", "Asia/Dubai", "Asia/Hong_Kong", "Asia/Jakarta", "Asia/Kolkata", "Asia/Seoul"),
    *("Asia/Shanghai", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney", "Europe/Athens", "Europe/Berlin"),
    *("Europe/Istanbul", "Europe/Kyiv", "Europe/London", "Europe/Madrid", "Europe/Paris", "Europe/Rome"),
    *("Europe/Warsaw", "Pacific/Auckland"),
)
# Says where in a list one is, not what is asked for.
_PASSING = ("cursor",)
# What a page is asked for beside the figures.
_KEPT = ("budget", "unpriced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A link that changes one thing of the filter."""

    label: str | Promise
    query: str
    is_current: bool


class CostFilters(forms.Form):
    """The filter bar. ``fixed`` are the values that the page's own address has; they have no field."""

    period = forms.ChoiceField(
        required=False,
        choices=list(PERIODS.items()),
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": gettext_lazy("There is no period %(value)s: choose one below, or days.")},
    )
    group = forms.ChoiceField(
        required=False,
        choices=list(GROUPS.items()),
        widget=forms.HiddenInput,
        error_messages={
            "invalid_choice": gettext_lazy("There is no group %(value)s: use model, workflow, step or kind.")
        },
    )
    project = forms.CharField(label=gettext_lazy("Project"), required=False, max_length=64)
    workflow = forms.CharField(label=gettext_lazy("Workflow"), required=False, max_length=64)
    step = forms.CharField(label=gettext_lazy("Step"), required=False, max_length=64)
    model = forms.CharField(label=gettext_lazy("Model"), required=False, max_length=100)
    tz = forms.CharField(label=gettext_lazy("Time zone"), required=False, max_length=64)

    def __init__(
        self, data: QueryDict, *, now: datetime, fixed: Mapping[str, str] | None = None, group: Group = Group.MODEL
    ) -> None:
        self._fixed = dict(fixed or {})
        self._given = data
        self._now = now
        self._group = group
        super().__init__(self._with_days(data))
        fields: dict[str, Any] = self.fields
        for name, label in (("to", _("Until")), ("from", _("From"))):
            # A browser's own field would show nothing of what is no date, and so lose it.
            kind = "date" if _read(str(self.data.get(name, ""))) else "text"
            fields[name] = forms.DateField(
                label=label,
                required=False,
                input_formats=["%Y-%m-%d"],
                widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": kind}),
                error_messages={"invalid": _("Use a day such as 2026-01-31.")},
            )
        for name in ("project", "workflow", "step", "model", "tz"):
            fields[name].widget.attrs = {"list": f"{name}-choices", "autocomplete": "off", "spellcheck": "false"}
        for name in self._fixed:
            del fields[name]
        self.order_fields(["from", "to", "project", "workflow", "step", "model", "tz"])

    def asked(self, user: User) -> Filter | None:
        """Return what is asked for, of what ``user`` may see; ``None`` where a value is wrong: the fields say so."""
        if not self.is_valid():
            return None
        row = {**self.cleaned_data, **self._fixed}
        scope = replace(
            visible_to(user, row["project"] or None),
            workflow_id=row["workflow"] or None,
            step_id=row["step"] or None,
            model=row["model"] or None,
        )
        return Filter(
            scope=scope, zone=self.zone, start=row["from"], end=row["to"], group=Group(row["group"] or self._group)
        )

    def clean_tz(self) -> str:
        name: str = self.cleaned_data["tz"]
        if name and find_zone(name) is None:
            raise ValidationError(_("There is no such time zone. Use a name such as Europe/Berlin or UTC."))
        return name

    def clean(self) -> dict[str, Any]:
        """Check the days together."""
        row = self.cleaned_data
        for name in ("from", "to"):
            day = row.get(name)
            if day is not None and not FIRST_DAY <= day <= LAST_DAY:
                self.add_error(
                    name, _("Use a day from %(first)s to %(last)s.") % {"first": FIRST_DAY, "last": LAST_DAY}
                )
        first, last = row.get("from"), row.get("to")
        if first is None or last is None:
            return row
        if last < first:
            self.add_error("to", _("This is before the first day, %(first)s.") % {"first": first})
        elif (last - first).days >= MAX_DAYS:
            words = _("These are more than %(most)s days. Ask for fewer at a time.") % {"most": f"{MAX_DAYS:,}"}
            self.add_error("from", words)
        return row

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose days are meant; UTC where the given one is none."""
        return find_zone(str(self._given.get("tz", "")).strip() or DEFAULT_ZONE) or UTC_ZONE

    @property
    def query(self) -> str:
        """The state of the filter as an address has it."""
        return self.changed()

    @property
    def is_redundant(self) -> bool:
        """Whether the same can be asked for by a shorter address: a form sends its empty fields too, and the days that
        a named period comes to."""
        return self._shortened() != self._given

    def changed(self, **values: str | None) -> str:
        """Return the address's query with some values changed; ``None`` leaves one out."""
        query = self._shortened()
        for name in (*_PASSING, *values):
            query.pop(name, None)
        query.update({name: value for name, value in values.items() if value is not None})
        return query.urlencode()

    def kept(self) -> list[tuple[str, str]]:
        """Return what the form has no field for, and sends on."""
        named = [("period", self._period() or ""), ("group", str(self._given.get("group", "")))]
        others = [(name, str(self._given.get(name, ""))) for name in _KEPT]
        # What is wrong and has no field could never be put right.
        return [(name, value) for name, value in [*named, *others] if value and name not in self.errors]

    def _shortened(self) -> QueryDict:
        query = self._given.copy()
        if self._given.get("period") and (self._given.get("from") or self._given.get("to")):
            # What the form sends: the days count, unless they are still those that the period comes to.
            for name in ("from", "to") if self._are_days_of_period() else ("period",):
                query.pop(name, None)
        for name in [name for name, value in query.items() if not value or (name, value) == ("tz", DEFAULT_ZONE)]:
            del query[name]
        return query

    def _are_days_of_period(self) -> bool:
        today = self._now.astimezone(self.zone).date()
        period = str(self._given["period"])
        days = (first_day(period, today).isoformat(), today.isoformat())
        return period in PERIODS and days == (self._given.get("from"), self._given.get("to"))

    def periods(self) -> list[Choice]:
        chosen = self._period()
        return [
            Choice(
                label=label,
                query=self.changed(**{"period": name, "from": None, "to": None}),
                is_current=name == chosen,
            )
            for name, label in PERIODS.items()
        ]

    def groups(self) -> list[Choice]:
        chosen = str(self._given.get("group") or self._group)
        return [
            Choice(label=label, query=self.changed(group=name), is_current=name == chosen)
            for name, label in GROUPS.items()
        ]

    @property
    def is_narrowed(self) -> bool:
        """Whether more is asked than for a time."""
        return any(self._given.get(name) for name in ("project", "workflow", "step", "model", "unpriced"))

    def problems(self) -> list[tuple[str, str]]:
        """Return each error with the id of its input, for the summary on top."""
        return [
            (self[name].id_for_label if name in self.fields and not self[name].is_hidden else "", str(error))
            for name, errors in self.errors.items()
            for error in errors
        ]

    def _period(self) -> str | None:
        """Return the days that move with today, if it is those that are meant."""
        if self._given.get("from") or self._given.get("to"):
            return None
        return str(self._given.get("period") or DEFAULT_PERIOD)

    def _with_days(self, given: QueryDict) -> QueryDict:
        """Return what was given, with the days that it comes to: so the fields show them."""
        data = given.copy()
        today = self._now.astimezone(self.zone).date()
        first, last = str(given.get("from", "")), str(given.get("to", ""))
        if not first and not last:
            begin = first_day(self._period() or DEFAULT_PERIOD, today)
            data["from"], data["to"] = begin.isoformat(), today.isoformat()
        elif not last:
            data["to"] = max(today, _read(first) or today).isoformat()
        elif not first:
            end = _read(last)
            data["from"] = "" if end is None else first_day(DEFAULT_PERIOD, end).isoformat()
        if not data.get("tz"):
            data["tz"] = DEFAULT_ZONE
        return data


def first_day(period: str, today: date) -> date:
    """Return the first day of a period that ends with ``today``; one of no name is the one that is meant by default."""
    if period == "month":
        return today.replace(day=1)
    count = {"today": 1, "7d": 7}.get(period, 30)
    return max(today, FIRST_DAY + timedelta(days=count)) - timedelta(days=count - 1)


def _read(text: str) -> date | None:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None
    return min(max(day, FIRST_DAY), LAST_DAY)
