"""What lists can be narrowed by: django-filter, made strict.

A parameter is read by the same field as a value of that kind in a body, so that both take, and refuse, the same
texts in the same words. A wrong one is a :class:`ParseError` (400). That a parameter is known, given once, and text
that can be looked up at all is seen to before a view runs (``combine.api.parameters``), for every view by its
``filterset_class``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import QuerySet
from django_filters import Filter
from django_filters.rest_framework import FilterSet
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ParseError
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from executions.api.fields import Choice, Identifier, Instant, QueryFlag, Text, Whole

if TYPE_CHECKING:
    # The framework's views import this module by its setting.
    from rest_framework.views import APIView

_TEXT_MESSAGES = {"blank": "must not be empty", "max_length": "must be a text of at most {max_length} characters"}
_LONG_FRACTION = re.compile(r"(\.\d{6})\d+", re.ASCII)


class StrictFilterSet(FilterSet):  # type: ignore[misc] # the library has no types
    """The parameters of one endpoint: filters of this module, and of no other kind."""

    def checked(self) -> dict[str, Any]:
        """Return the values that were given. :raises ParseError: one cannot be read (400)."""
        if not self.is_valid():
            raise ParseError(
                {
                    name: [ErrorDetail(str(error.message), code=str(error.code)) for error in errors]
                    for name, errors in self.errors.as_data().items()
                }
            )
        return {name: value for name, value in self.form.cleaned_data.items() if value is not None}

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return what a request gives, for an endpoint that narrows no rows by it. :raises ParseError: as above."""
        filters = cls(data=request.query_params, queryset=QuerySet())
        checked: dict[str, Any] = filters.checked()
        return checked


class StrictFilterBackend(BaseFilterBackend):
    """Narrows a view's rows by its ``filterset_class``, and describes its parameters."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        filterset_class: type[StrictFilterSet] | None = getattr(view, "filterset_class", None)
        if filterset_class is None:
            return queryset
        filters = filterset_class(data=request.query_params, queryset=queryset, request=request)
        filters.checked()
        rows: QuerySet[Any] = filters.qs
        return rows

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return parameters_of(getattr(view, "filterset_class", None))


def parameters_of(filterset_class: type[StrictFilterSet] | None) -> list[dict[str, Any]]:
    """Return the OpenAPI description of the parameters; for lists the filter backend says it, for others the view."""
    filters = {} if filterset_class is None else filterset_class.base_filters
    return [parameter(name, each.schema, each.description) for name, each in filters.items()]


def parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """Return the OpenAPI description of one parameter of a query."""
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


class _Reader(forms.Field):
    """Reads a parameter by a field of the API."""

    def __init__(self, *, reader: serializers.Field[Any, Any, Any, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.reader = reader

    def to_python(self, value: Any) -> Any:
        """Only what is absent is left out: an empty text is a value like any other, and mostly a wrong one."""
        if value is None:
            return None
        try:
            return self.reader.run_validation(value)
        except serializers.ValidationError as error:
            details: Any = error.detail
            raise forms.ValidationError(
                [forms.ValidationError(str(each), code=str(each.code)) for each in details]
            ) from None


class Parameter(Filter):  # type: ignore[misc] # the library has no types
    """A filter, with the field that reads it and its OpenAPI schema."""

    field_class = _Reader

    def __init__(
        self,
        field_name: str | None = None,
        lookup_expr: str = "exact",
        *,
        reader: serializers.Field[Any, Any, Any, Any],
        schema: dict[str, Any],
        description: str,
        method: str | None = None,
    ) -> None:
        # The label is given, so that the library does not look for one.
        super().__init__(field_name, lookup_expr, label="", method=method, reader=reader)
        self.schema = schema
        self.description = description


class TextFilter(Parameter):
    """Text, as it is; longer than the column is nothing that could be found."""

    def __init__(self, description: str, field_name: str | None = None, *, max_length: int = 64, **kwargs: Any) -> None:
        super().__init__(
            field_name,
            reader=Text(max_length=max_length, error_messages=_TEXT_MESSAGES),
            schema={"type": "string", "minLength": 1, "maxLength": max_length, "pattern": "^[^\\u0000]*$"},
            description=description,
            **kwargs,
        )


class ChoiceFilter(Parameter):
    """One of some texts."""

    def __init__(
        self,
        description: str,
        field_name: str | None = None,
        *,
        choices: Sequence[str],
        code: str = "invalid_choice",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            field_name,
            reader=Choice(choices, code=code),
            schema={"type": "string", "enum": list(choices)},
            description=description,
            **kwargs,
        )


class StatusFilter(ChoiceFilter):
    """A status; the answer to an unknown one has a code of its own."""

    def __init__(self, description: str, field_name: str | None = None, *, choices: Sequence[str]) -> None:
        super().__init__(description, field_name, choices=choices, code="invalid_status")


class FlagFilter(Parameter):
    """``true`` or ``false``."""

    def __init__(self, description: str, field_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(field_name, reader=QueryFlag(), schema={"type": "boolean"}, description=description, **kwargs)


class UuidFilter(Parameter):
    """A UUID in its canonical form."""

    def __init__(self, description: str, field_name: str | None = None, **kwargs: Any) -> None:
        super().__init__(
            field_name,
            reader=Identifier(),
            schema={"type": "string", "format": "uuid"},
            description=description,
            **kwargs,
        )


class WholeFilter(Parameter):
    """A whole number."""

    def __init__(self, description: str, field_name: str | None = None, *, minimum: int = 0, **kwargs: Any) -> None:
        super().__init__(
            field_name,
            reader=Whole(min_value=minimum),
            schema={"type": "integer", "minimum": minimum, "maximum": 10**18 - 1},
            description=description,
            **kwargs,
        )


class _QueryInstant(Instant):
    """Takes small letters and fractions beyond microseconds too: both are RFC 3339."""

    def to_internal_value(self, value: Any) -> Any:
        return super().to_internal_value(_LONG_FRACTION.sub(r"\1", value.upper()))


class InstantFilter(Parameter):
    """A time, or a date, which stands for its first moment in UTC."""

    def __init__(self, description: str, field_name: str, lookup_expr: str, **kwargs: Any) -> None:
        schema = {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}
        super().__init__(
            field_name, lookup_expr, reader=_QueryInstant(), schema=schema, description=description, **kwargs
        )
