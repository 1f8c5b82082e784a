"""Fields that take exactly what they say: JSON types are not turned into each other, and errors have stable codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast
from uuid import UUID

from django.utils.dateparse import parse_date, parse_datetime
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.fields import empty
from rest_framework.request import Request

from workflows.problems import printable

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})", re.ASCII)
_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
# A plus sign that was not escaped arrives as a space.
_LOST_PLUS = re.compile(r"(:\d{2}(?:\.\d+)?) (\d{2}:?\d{2})\Z", re.ASCII)


def parse_uuid(text: str) -> UUID | None:
    """Return the UUID of its canonical form; the other spellings that Python takes are none of ours."""
    return UUID(text) if _UUID.fullmatch(text) else None


def money_text(value: Decimal) -> str:
    """Return a decimal without exponent or trailing zeros."""
    return f"{value.normalize():f}"


class StrictSerializer(serializers.Serializer[Any]):
    """An object with exactly these keys."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)  # says that it must be an object
        listed = ", ".join(self.fields)
        unknown = {
            key: [ErrorDetail(f"unknown field; known are {listed}", code="unknown_field")]
            for key in data
            if key not in self.fields
        }
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError(cast(dict[str, Any], error.detail) | unknown) from error
        if unknown:
            raise serializers.ValidationError(unknown)
        return value


def parse_body(request: Request, body_class: type[StrictSerializer]) -> dict[str, Any]:
    """Return the checked body. :raises ValidationError: it is an object with other or wrong fields (422)."""
    body = body_class(data=request.data)
    body.is_valid(raise_exception=True)
    checked: dict[str, Any] = body.validated_data
    return checked


class Text(serializers.CharField):
    """A JSON string, as it is."""

    default_error_messages = {"wrong_type": "must be a text"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("wrong_type")
        return data

    def run_validation(self, data: Any = empty) -> Any:
        # The base class turns everything into text before it looks.
        if data is not empty and data is not None and not isinstance(data, str):
            self.fail("wrong_type")
        return super().run_validation(data)


class AnyJSON(serializers.JSONField):
    """A JSON value of any type; the service that it is for checks it.

    ``schema`` is what clients are told of it, ``schema_name`` what they call it.
    """

    def __init__(self, schema: Mapping[str, Any] | None = None, schema_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.schema = schema or {}
        self.schema_name = schema_name

    def to_internal_value(self, data: Any) -> Any:
        return data


class Flag(serializers.BooleanField):
    """A JSON ``true`` or ``false``."""

    default_error_messages = {"wrong_type": "must be true or false"}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("wrong_type")
        return data


class QueryFlag(Flag):
    """``true`` or ``false`` in a query."""

    def to_internal_value(self, data: Any) -> bool:
        return super().to_internal_value({"true": True, "false": False}.get(data.lower()))


class Money(serializers.DecimalField):
    """US dollars: written as a decimal string, read as one or as a JSON number."""

    default_error_messages = {"wrong_type": "must be a decimal number such as 12.50"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=20, decimal_places=10, **kwargs)

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        # The base class takes an empty text for null, that is, for no limit at all.
        return (False, data) if isinstance(data, str) else super().validate_empty_values(data)

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool) or not isinstance(data, int | float | str):
            self.fail("wrong_type")
        text = data if isinstance(data, str) else _number_text(data)
        if not _DECIMAL.fullmatch(text):
            self.fail("wrong_type")
        return super().to_internal_value(text)

    def to_representation(self, value: Any) -> str:
        return money_text(value)


class Choice(serializers.ChoiceField):
    """One of some texts; what else was given is told which they are. ``enum_name`` is what clients call the choice."""

    def __init__(self, choices: Any, code: str = "invalid_choice", enum_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(choices, **kwargs)
        self._code = code
        self.enum_name = enum_name

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, str) and data in self.choices:
            return data
        raise serializers.ValidationError(f"must be one of {', '.join(map(str, self.choices))}", code=self._code)


class Instant(serializers.DateTimeField):
    """An RFC 3339 time (without an offset: UTC) or a date, which stands for its first moment."""

    default_error_messages = {"wrong_type": "must be a date or a time such as 2026-01-31T12:00:00Z"}

    def to_internal_value(self, value: Any) -> datetime:
        text = _LOST_PLUS.sub(r"\1+\2", value)
        if not _INSTANT.fullmatch(text):
            self.fail("wrong_type")
        try:
            day = parse_date(text) if len(text) == len("2026-01-31") else None
            at = datetime(day.year, day.month, day.day, tzinfo=UTC) if day is not None else parse_datetime(text)
            if at is None:
                raise ValueError
            return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
        except (ValueError, OverflowError):  # the 31st of February, or the year 0 in UTC
            self.fail("wrong_type")


class Whole(serializers.IntegerField):
    """A whole number in a query."""

    default_error_messages = {"wrong_type": "must be a whole number"}

    def to_internal_value(self, data: Any) -> int:
        if not _WHOLE.fullmatch(data):
            self.fail("wrong_type")
        return int(data)


class Identifier(serializers.UUIDField):
    """A UUID in its canonical form."""

    default_error_messages = {"wrong_type": "must be a UUID"}

    def to_internal_value(self, data: Any) -> UUID:
        found = parse_uuid(data) if isinstance(data, str) else None
        if found is None:
            self.fail("wrong_type")
        return found


def shown(text: str) -> str:
    """Return an id as it was given, fit to be repeated in an answer."""
    return printable(text, 120)


def _number_text(number: float) -> str:
    try:
        # Fractions of a JSON number are binary: 0.1 + 0.2 has 17 digits that nobody meant.
        return f"{round(Decimal(repr(number)), 10):f}"
    except InvalidOperation:
        return ""
