"""What descriptions of operations are made of."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

JSON = dict[str, Any]

# A list of entity tags, or *: what else there is would be 400.
_TAGS = {
    "type": "string",
    "pattern": r'^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$',
    "examples": ['"3f2a9c51d7e04b6f8a1c2d3e4f506172"'],
}
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of what the caller has: 304, without a body, if it is still that.",
)
ETAG = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    description="The validator of the execution as `GET` answers it, for `If-None-Match` and `If-Match`.",
    response=[200, 201],
)


def if_match(of_what: str) -> OpenApiParameter:
    """Return the condition of a change."""
    description = f"The `ETag` of the {of_what} as the caller has seen it: 412, and nothing is done, if it has changed."
    return OpenApiParameter("If-Match", _TAGS, OpenApiParameter.HEADER, description=description)


def answer(shape: Any, description: str, value: Any, name: str = "Answer") -> OpenApiResponse:
    """Return a success with its example; of a page, the example is one of its rows."""
    return OpenApiResponse(shape, description, [OpenApiExample(name, value, response_only=True)])


def body(**examples: Any) -> list[OpenApiExample]:
    """Return examples of bodies by name."""
    return [
        OpenApiExample(name.replace("_", " ").capitalize(), value, request_only=True)
        for name, value in examples.items()
    ]


def codes(**by_status: list[str]) -> JSON:
    """Return the codes that are special to a call, as ``s409=["CONFLICT"]``; combine's schema class reads them."""
    return {"x-problem-codes": {status[1:]: names for status, names in by_status.items()}}
