"""What drf-spectacular cannot know of our own classes: who calls, what a field takes, what an id in a path is."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension

from documents.models import DocumentStatus
from executions.models import DeliveryStatus, EventType, ExecutionStatus, GateKind, GateStatus
from executions.models.webhooks import WEBHOOK_EVENT_TYPES

JSON = dict[str, Any]

_UUID: JSON = {"type": "string", "format": "uuid"}
_NAME: JSON = {"type": "string", "minLength": 1, "maxLength": 64}
_EXECUTION_ID = "6b1f2a60-3c5e-4b0e-9d0a-0f6a5d1c7e42"

# A part of a path that is no id of its kind is answered like an id that does not exist (404).
PATH_PARAMETERS: dict[str, tuple[str, JSON, str]] = {
    "workflow_id": ("The workflow, by its id.", _NAME, "software_product"),
    "step_id": ("The step, by its bare id, at whatever depth it stands.", _NAME, "project_discovery"),
    "execution_id": ("The execution.", _UUID, _EXECUTION_ID),
    "gate_id": ("The gate.", _UUID, "0d3f8a52-7b1c-4c9e-8a57-51b6f0f6f1aa"),
    "document_id": ("One version of a document.", _UUID, "f2b9f5ba-96d1-4d7c-8c7e-2f4f7c0f4f11"),
    "project_id": (
        "The project, by its id.",
        {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        "apollo",
    ),
    "scope_type": ("The kind of scope, as the workflow declares it.", _NAME, "epic"),
    "scope_id": (
        "The scope: the project's id for the root scope, `project:E1`, `project:E1:S2` below it.",
        {"type": "string", "minLength": 1, "maxLength": 1000},
        "apollo:E1",
    ),
    "document_type": ("The type of document, as the workflow declares it.", _NAME, "story_backlog"),
    "webhook_id": ("The webhook.", _UUID, "3e1c9a5e-5f0a-4f6e-9b1f-0d6d3a0a7c11"),
    "delivery_id": ("One of the webhook's deliveries.", _UUID, "a4b7d0c2-1f7e-4a53-8f0a-5b8d1c9e2f33"),
}


# What parameters share with answers. (A status of steps is no parameter; it has the values of an execution's.)
_ENUMERATIONS: dict[tuple[str, ...], str] = {
    tuple(choices.values): choices.__name__
    for choices in (ExecutionStatus, GateKind, GateStatus, DocumentStatus, EventType, DeliveryStatus)
} | {WEBHOOK_EVENT_TYPES: "WebhookEventType"}


def named(schema: JSON) -> JSON:
    """Return a reference to the enumeration that a schema is, if it is one with a name."""
    name = _ENUMERATIONS.get(tuple(schema.get("enum", ())))
    return schema if name is None else {"$ref": f"#/components/schemas/{name}"}


def path_parameter(name: str) -> JSON:
    """Return what is said of a part of a path, wherever it stands."""
    if name not in PATH_PARAMETERS:
        return {}
    description, schema, example = PATH_PARAMETERS[name]
    return {"description": description, "schema": schema, "example": example}


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = "combine.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> Any:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "cmb_...",
            "description": "`Authorization: Bearer <token>`. `manage.py create_token NAME` makes a token, and so do"
            " the staff pages. With a token cookies do not count.",
        }


class SessionScheme(OpenApiAuthenticationExtension):
    """The cookie alone reads; whoever changes something shows that the page is ours by the CSRF token."""

    target_class = "rest_framework.authentication.SessionAuthentication"
    name = ["session", "csrf"]

    def get_security_requirement(self, auto_schema: Any) -> Any:
        return {"session": []} if auto_schema.method == "GET" else {"session": [], "csrf": []}

    def get_security_definition(self, auto_schema: Any) -> Any:
        cookie = {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of the staff pages, for scripts of pages of this site.",
        }
        csrf = {
            "type": "apiKey",
            "in": "header",
            "name": "X-CSRFToken",
            "description": "The CSRF token of the session; every POST, PATCH and DELETE needs it beside the cookie.",
        }
        return [cookie, csrf]


class ChoiceSchema(OpenApiSerializerFieldExtension):
    """An enumeration with a name of its own, where the field has one."""

    target_class = "executions.api.fields.Choice"

    def get_name(self) -> str | None:
        name: str | None = self.target.enum_name
        return name

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        return {"type": "string", "enum": list(self.target.choices)}


class DescribedJSONSchema(OpenApiSerializerFieldExtension):
    """JSON of which the field itself says what it is."""

    target_class = "executions.api.fields.AnyJSON"

    def get_name(self) -> str | None:
        name: str | None = self.target.schema_name
        return name

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        return dict(self.target.schema)


class MoneySchema(OpenApiSerializerFieldExtension):
    """US dollars: always written as a text, so that no client reads them as a float by mistake."""

    target_class = "executions.api.fields.Money"

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        if direction == "response":
            return {"type": "string", "format": "decimal", "pattern": r"^-?\d+(\.\d+)?$"}
        return {
            "anyOf": [
                {"type": "string", "pattern": r"^(1000000(\.0{1,10})?|\d{1,6}(\.\d{1,10})?)$"},
                {"type": "number", "minimum": 0, "maximum": 1_000_000},
            ]
        }
