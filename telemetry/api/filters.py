"""What the telemetry calls can be asked for."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.dateparse import parse_date
from rest_framework import serializers

from executions.api.filters import ChoiceFilter, Parameter, StrictFilterSet, TextFilter
from telemetry.days import find_zone

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class Day(serializers.Field[date, str, date, Any]):
    """A date of the calendar."""

    default_error_messages = {
        "wrong_type": "must be a date such as 2026-01-31",
        "out_of_range": f"must be a date from {FIRST_DAY} to {LAST_DAY}",
    }

    def to_internal_value(self, data: str) -> date:
        try:
            day = parse_date(data) if _DATE.fullmatch(data) else None
        except ValueError:  # the 31st of February
            day = None
        if day is None:
            self.fail("wrong_type")
        if not FIRST_DAY <= day <= LAST_DAY:
            self.fail("out_of_range")
        return day


class Zone(serializers.Field[ZoneInfo, str, ZoneInfo, Any]):
    """A time zone, by its name in the IANA database."""

    default_error_messages = {
        "unknown_time_zone": "must be the name of a time zone in the IANA database, such as Europe/Berlin or UTC"
    }

    def to_internal_value(self, data: str) -> ZoneInfo:
        zone = find_zone(data)
        if zone is None:
            self.fail("unknown_time_zone")
        return zone


class DayFilter(Parameter):
    """A date."""

    def __init__(self, description: str) -> None:
        super().__init__(reader=Day(), schema={"type": "string", "format": "date"}, description=description)


class ZoneFilter(Parameter):
    """A time zone."""

    def __init__(self) -> None:
        schema = {"type": "string", "default": "UTC", "examples": ["Europe/Berlin"]}
        description = "The time zone whose days are meant, by its name in the IANA database."
        super().__init__(reader=Zone(), schema=schema, description=description)


class FormatFilter(ChoiceFilter):
    """JSON or CSV, for whoever cannot set ``Accept``."""

    def __init__(self) -> None:
        super().__init__("How to answer; `Accept: text/csv` asks for CSV as well.", choices=("json", "csv"))


class PeriodFilter(StrictFilterSet):
    """Days, the last one included."""

    start = DayFilter("The first day. Without it, from the first call on.")
    end = DayFilter("The last day; it is in the period. Without it, today.")
    tz = ZoneFilter()
    format = FormatFilter()


class CostFilter(PeriodFilter):
    project_id = TextFilter("Calls of this project.")
    workflow_id = TextFilter("Calls of this workflow.")
    step_id = TextFilter("Calls of steps with this bare id, at whatever depth and of whatever workflow.")
    model = TextFilter("Calls of this model.", max_length=100)


class StatsFilter(PeriodFilter):
    start = DayFilter("Executions that were started on this day or later.")
    end = DayFilter("Executions that were started on this day or earlier.")
    project_id = TextFilter("Executions of this project.")


class CallFilter(StrictFilterSet):
    step_id = TextFilter("Calls of steps with this bare id.")
    model = TextFilter("Calls of this model.", max_length=100)
    tz = ZoneFilter()
    format = FormatFilter()
