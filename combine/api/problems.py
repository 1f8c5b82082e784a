"""Problem details (RFC 9457): the one shape of every answer that is no success."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse

from combine.logs import request_id

MEDIA_TYPE = "application/problem+json"
API_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # What an account may see is nobody else's; a later answer may differ.
    "Cache-Control": "private, no-cache",
}
# RFC 9110's names, where Python still has older ones.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}
# Of a path that has been decoded: a percent sign in it is one, and no escape.
_PATH_CHARACTERS = "/-._~!$&'()*+,;=:@"
# A path that is longer than any of ours is not repeated in full.
_MAX_PATH = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong. ``errors`` are ``{path, code, detail}`` of single fields, ``members`` further facts."""

    status: int
    code: str
    detail: str
    errors: Sequence[Mapping[str, str]] = ()
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, path: str) -> dict[str, Any]:
        """Return the JSON object; ``path`` is that of the request."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": title_of(self.status),
            "status": self.status,
            "detail": self.detail,
            "instance": quote(path[:_MAX_PATH], safe=_PATH_CHARACTERS, errors="replace"),
            "code": self.code,
            "request_id": request_id.get(),
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return body | dict(self.members)


def title_of(status: int) -> str:
    """Return the name of a status."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def problem_response(problem: Problem, request: HttpRequest) -> HttpResponse:
    """Return the answer for places outside the REST framework, where nothing negotiates or renders."""
    content = json.dumps(problem.body(request.path), default=str)
    headers = {**API_HEADERS, **problem.headers}
    return HttpResponse(content, status=problem.status, content_type=MEDIA_TYPE, headers=headers)
