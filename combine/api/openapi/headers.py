"""Headers of requests and answers, each described once and referred to everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import OpenApiParameter

from executions.api.idempotency import IdempotentPosts

if TYPE_CHECKING:
    from combine.api.openapi.schema import OperationSchema

JSON = dict[str, Any]
_TEXT: JSON = {"type": "string"}

# Of answers: (what it says, its schema, an example).
HEADERS: dict[str, tuple[str, JSON, str]] = {
    "X-Request-ID": (
        "The id of the request: the client's own, if it sent one of 1 to 128 letters, digits, `.`, `_` and `-`."
        " The log has it on every line of the request.",
        _TEXT,
        "b64e9352-0c14-4dc9-833e-57027b851d6a",
    ),
    "Location": (
        "Where what was made is.",
        {"type": "string", "format": "uri"},
        "https://combine.example/api/v1/projects/apollo",
    ),
    "ETag": (
        "The strong validator of this answer, for `If-None-Match` and `If-Match`.",
        _TEXT,
        '"3f2a9c51d7e04b6f8a1c2d3e4f506172"',
    ),
    "Idempotency-Replayed": (
        "`true`, and only where the answer is the one that this `Idempotency-Key` got the first time.",
        {"type": "string", "enum": ["true"]},
        "true",
    ),
    "RateLimit": (
        "What is left of each rate: `r` calls, and `t` seconds until all are there again. Absent without limits.",
        _TEXT,
        '"default";r=598;t=1',
    ),
    "RateLimit-Policy": ("The rates that hold: `q` calls in `w` seconds.", _TEXT, '"default";q=600;w=60'),
    "Retry-After": ("Seconds to wait before the next try.", {"type": "string", "pattern": r"^\d+$"}, "2"),
    "WWW-Authenticate": ("How to say who calls.", _TEXT, "Bearer"),
    "Allow": ("The methods that the path has.", _TEXT, "GET, HEAD, OPTIONS"),
}
_REFUSALS = {
    401: ["WWW-Authenticate"],
    405: ["Allow"],
    429: ["Retry-After", "RateLimit", "RateLimit-Policy"],
    503: ["Retry-After"],
}

_IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {
        "type": "string",
        "pattern": r'^([!#-~][ -~]{0,254}|"([ !#-\[\]-~]|\\["\\]){1,255}")$',
        "examples": ["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    },
    OpenApiParameter.HEADER,
    description="A key that the client makes up for this one request, such as a UUID. For 24 hours the same key with"
    " the same body gets the first answer again, and nothing is done twice.",
)


def description_of(name: str) -> JSON:
    """Return a header of answers, as it stands among the components."""
    description, schema, example = HEADERS[name]
    return {"description": description, "schema": schema, "example": example}


def of_request(operation: OperationSchema) -> list[OpenApiParameter]:
    """Return the headers that a call reads, beyond those that its view names."""
    is_idempotent = operation.method == "POST" and isinstance(operation.view, IdempotentPosts)
    return [_IDEMPOTENCY_KEY] if is_idempotent else []


def of_success(operation: OperationSchema, status: int) -> list[str]:
    """Return the names of the headers of a success."""
    found = ["X-Request-ID"]
    if operation.view.get_authenticators():
        found += ["RateLimit", "RateLimit-Policy"]
    if status == 201:
        found.append("Location")
    if operation.has_parameter("Idempotency-Key"):
        found.append("Idempotency-Replayed")
    if operation.has_parameter("If-None-Match"):
        found.append("ETag")
    return found


def of_refusal(status: int, codes: Sequence[str]) -> list[str]:
    """Return the names of the headers of an error."""
    found = ["X-Request-ID", *_REFUSALS.get(status, [])]
    return [*found, "Retry-After"] if "IDEMPOTENCY_IN_FLIGHT" in codes else found
