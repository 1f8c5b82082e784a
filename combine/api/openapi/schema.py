"""How drf-spectacular describes an operation of this API.

A view says what is its own, with ``extend_schema``. What holds for every call is added here: the errors that it can
answer with, the headers of requests and answers, the links from an answer to the calls that it leads to.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.drainage import has_override
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from combine.api.openapi import extensions, headers, links, problems
from executions.api.fields import StrictSerializer
from executions.api.filters import parameters_of

JSON = dict[str, Any]

_UNCHANGED = "It is as the caller has it (`If-None-Match`); there is no body."


class OperationSchema(AutoSchema):
    """The settings' ``DEFAULT_SCHEMA_CLASS``."""

    def get_operation(self, *args: Any, **kwargs: Any) -> JSON | None:
        operation: JSON | None = super().get_operation(*args, **kwargs)
        if operation is not None:
            operation.pop(problems.CODES, None)
            links.add_to(operation)
        return operation

    def get_paginated_name(self, serializer_name: str) -> str:
        return f"{serializer_name}Page"

    def get_override_parameters(self) -> list[Any]:
        return [*super().get_override_parameters(), *headers.of_request(self)]

    def _get_parameters(self) -> list[JSON]:
        parameters: list[JSON] = super()._get_parameters()
        for parameter in parameters:
            if parameter["in"] == "path":
                parameter |= extensions.path_parameter(parameter["name"])
            parameter["schema"] = extensions.named(parameter["schema"])
        self._parameters = parameters
        return parameters

    def _get_filter_parameters(self) -> list[JSON]:
        """Return what the view's filters read, also where it answers with one object."""
        return parameters_of(getattr(self.view, "filterset_class", None)) if self.method == "GET" else []

    def _get_pagination_parameters(self) -> list[JSON]:
        paginator = getattr(self.view, "paginator", None) if self.method == "GET" else None
        return [] if paginator is None else paginator.get_schema_operation_parameters(self.view)

    def _is_list_view(self, serializer: Any = None) -> bool:
        """A call answers with a list where the description of its success says ``many``."""
        if serializer is None:
            serializer = self.get_response_serializers()
        if isinstance(serializer, dict):
            serializer = serializer.get(200)
        if isinstance(serializer, OpenApiResponse):
            serializer = serializer.response
        return isinstance(serializer, serializers.ListSerializer)

    def _get_request_for_media_type(self, serializer: Any, direction: Any = "request") -> tuple[Any, bool]:
        schema, is_required = super()._get_request_for_media_type(serializer, direction)  # type: ignore[no-untyped-call]
        return schema, is_required or hasattr(serializer, "rules")

    def _get_response_bodies(self, direction: Any = "response") -> JSON:
        answers: JSON = super()._get_response_bodies(direction)
        if direction == "response":
            if self.has_parameter("If-None-Match"):
                answers["304"] = {"description": _UNCHANGED, "headers": self.headers("X-Request-ID", "ETag")}
            for status, codes in problems.codes_of(self).items():
                answers.setdefault(str(status), problems.answer(self, status, codes))
        return dict(sorted(answers.items()))

    def _get_response_headers_for_code(self, status_code: Any, direction: Any = "response") -> JSON:
        found: JSON = super()._get_response_headers_for_code(status_code, direction)
        if direction != "response":
            return found
        return self.headers(*headers.of_success(self, int(status_code))) | found

    def _get_serializer_field_meta(self, field: Any, direction: Any) -> JSON:
        meta: JSON = super()._get_serializer_field_meta(field, direction)  # type: ignore[no-untyped-call]
        if direction == "response":
            # What is not there is null, never absent; and there is nothing in an answer that could be written.
            meta.pop("default", None)
            meta.pop("readOnly", None)
        elif isinstance(field, serializers.CharField) and not field.allow_blank:
            meta["minLength"] = 1
        return meta

    def _insert_field_validators(self, field: Any, schema: JSON) -> None:
        # A field that is described by itself has said all.
        if not has_override(field, "field"):
            super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> JSON:
        described: JSON = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if isinstance(serializer, StrictSerializer):
            described["additionalProperties"] = False
        elif "properties" in described:
            described["required"] = sorted(described["properties"])
        # What lies between fields, which no field can say.
        return described | getattr(serializer, "rules", {})

    def has_parameter(self, name: str, place: str | None = None) -> bool:
        return any(each["name"] == name and place in (None, each["in"]) for each in self._parameters)

    def headers(self, *names: str) -> JSON:
        """Return references to these headers of answers."""
        return {name: self.share(name, "headers", headers.description_of(name)) for name in names}

    def share(self, name: str, kind: str, content: JSON) -> JSON:
        """Put a part among the document's components, and return the reference to it."""
        component = ResolvedComponent(name=name, type=kind, schema=content, object=name)
        self.registry.register_on_missing(component)
        reference: JSON = component.ref
        return reference
