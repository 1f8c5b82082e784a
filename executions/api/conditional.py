"""Conditional requests (RFC 9110, section 13): ETags, what has not changed since, and changes only to what was seen.

An ETag is the hash of the bytes of the answer, as the caller is given them, so it changes with anything that they show.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.encoding import force_bytes
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from executions.api.exceptions import InvalidIfMatch, PreconditionFailed
from executions.services.preconditions import Precondition

# One element of a list, perhaps empty, with what follows it. Possessive: no header makes it try again and again.
_ELEMENT = re.compile(r'[ \t]*+((?:W/)?"[\x21\x23-\x7e\x80-\xff]*+")?+[ \t]*+(?:,|\Z)')
_SAFE = ("GET", "HEAD")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """The entity tags of a condition; ``is_any`` is ``*``: whatever is there."""

    given: frozenset[str] = frozenset()
    is_any: bool = False

    def match_strongly(self, tag: str) -> bool:
        return self.is_any or tag in self.given

    def match_weakly(self, tag: str) -> bool:
        """Compare without regard to who is weak: good enough to say that nothing has changed."""
        return self.is_any or tag.removeprefix("W/") in {each.removeprefix("W/") for each in self.given}


def parse_tags(text: str) -> Tags | None:
    """Return the tags of a header, or None if it is malformed."""
    if text.strip(" \t") == "*":
        return Tags(is_any=True)
    given, at = set(), 0
    while at < len(text):
        found = _ELEMENT.match(text, at)
        if found is None:
            return None
        if found[1]:
            given.add(found[1])
        at = found.end()
    return Tags(given=frozenset(given)) if given else None


def tagged(
    request: Request, data: Any, *, code: int = status.HTTP_200_OK, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an answer with the ETag of its body; 304 without body to a reader who has that already.

    :raises PreconditionFailed: a reader wants another one (If-Match).
    """
    response = Response(data, status=code, headers=dict(headers or {}))
    response.accepted_renderer = request.accepted_renderer
    response.accepted_media_type = request.accepted_media_type
    response.renderer_context = {}  # type: ignore[attr-defined] # the stubs do not know it
    response.render()
    tag = response.headers["ETag"] = _tag_of(response.content)
    if request.method in _SAFE:
        _check_if_match(request, lambda: tag, request.path)
        if _is_known(request, tag):
            _empty(response)
    return response


def if_match(request: Request, current: Callable[[], Any], url: str) -> Precondition | None:
    """Return what the request asks to hold, to be checked under the lock of what it is about.

    ``current`` returns the body of ``GET url`` at that moment, as the caller is shown it.
    """
    if "If-Match" not in request.headers:
        return None
    _tags_of_if_match(request)  # malformed: refused at once
    return lambda: _check_if_match(request, lambda: _tag_of(_rendered(request, current())), url)


def _check_if_match(request: Request, tag: Callable[[], str], url: str) -> None:
    tags = _tags_of_if_match(request)
    if tags is not None and not (tags.is_any or tags.match_strongly(tag())):
        raise PreconditionFailed(url)


def _tags_of_if_match(request: Request) -> Tags | None:
    text = request.headers.get("If-Match")
    if text is None:
        return None
    tags = parse_tags(text)
    if tags is None:
        raise InvalidIfMatch
    return tags


def _is_known(request: Request, tag: str) -> bool:
    # A malformed If-None-Match is ignored: the whole answer is right for every reader.
    tags = parse_tags(request.headers.get("If-None-Match", ""))
    return tags is not None and tags.match_weakly(tag)


def _empty(response: Response) -> None:
    # What the body would have; Django would say 0, which a cache could take for the truth.
    response.headers["Content-Length"] = str(len(response.content))
    del response.headers["Content-Type"]
    response.status_code = status.HTTP_304_NOT_MODIFIED
    response.content = b""


def _rendered(request: Request, data: Any) -> bytes:
    return force_bytes(request.accepted_renderer.render(data, request.accepted_media_type, {}))


def _tag_of(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
