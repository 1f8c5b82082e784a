"""Who is calling: a bearer token, or the session of the pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from combine.models import TokenNote

# What the header can look like. A token of another shape would only be looked up in vain.
_HEADER = re.compile(r"bearer[ \t]+(\S+)[ \t]*", re.IGNORECASE | re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9_]{8,200}", re.ASCII)
# When a token was last used is known to the hour: to the second would be a write for every request.
_USE_IS_NOTED_FOR = timedelta(hours=1)

_NO_BEARER = "The Authorization header must be: Bearer <token>."
# One text for what is unknown, expired, revoked, or of a closed account: none of that is a stranger's business.
_INVALID = "The token is not valid. It may have expired or been revoked; make another."


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """What an ``Authorization`` header has led to: an account and its token, or what is wrong with it."""

    user: User | None = None
    token: Any = None
    problem: str = ""
    # It has the shape of a token, and is none of ours.
    is_guess: bool = False


class BearerAuthentication(TokenAuthentication):  # type: ignore[misc] # knox has no types
    """``Authorization: Bearer <token>``. With the header, whatever it holds, cookies do not count: no CSRF check is
    needed then, and nobody is taken for somebody else."""

    def authenticate(self, request: Request) -> tuple[User, Any] | None:
        bearer = bearer_of(request._request)
        if bearer is None:
            return None
        if bearer.user is None:
            raise AuthenticationFailed(bearer.problem)
        return bearer.user, bearer.token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def bearer_of(request: HttpRequest) -> Bearer | None:
    """Return who the ``Authorization`` header names, looked up once per request; None without the header."""
    if (header := request.META.get("HTTP_AUTHORIZATION")) is None:
        return None
    known: Bearer | None = getattr(request, "_bearer", None)
    if known is None:
        known = request._bearer = _look_up(header)  # type: ignore[attr-defined]
    return known


def _look_up(header: str) -> Bearer:
    found = _HEADER.fullmatch(header)
    if found is None:
        return Bearer(problem=_NO_BEARER)
    if not _TOKEN.fullmatch(found[1]):
        return Bearer(problem=_INVALID)
    # By its whole hash: there is nothing to compare, and nothing to time.
    tokens = AuthToken.objects.select_related("user", "note").filter(digest=hash_token(found[1]))
    token = next(iter(tokens), None)
    if token is None:
        return Bearer(problem=_INVALID, is_guess=True)
    now = timezone.now()
    if not token.user.is_active or (token.expiry is not None and token.expiry <= now):
        return Bearer(problem=_INVALID)
    note: TokenNote | None = getattr(token, "note", None)
    if note is not None and (note.last_used_at is None or now - note.last_used_at >= _USE_IS_NOTED_FOR):
        TokenNote.objects.filter(pk=token.pk).update(last_used_at=now)
    return Bearer(user=token.user, token=token)
