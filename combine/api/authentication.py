"""Who is calling: a bearer token, or the session of the pages."""

from __future__ import annotations

import re
from typing import Any

from django.contrib.auth.models import User
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

# What a token can look like. Anything else would only be looked up, and some of it would break the look-up.
_TOKEN = re.compile(rb"[A-Za-z0-9_]{8,200}")


class BearerAuthentication(TokenAuthentication):  # type: ignore[misc] # knox has no types
    """``Authorization: Bearer <token>``. With a token, cookies do not count, so no CSRF check is needed."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, Any]:
        if not _TOKEN.fullmatch(token):
            raise AuthenticationFailed("Invalid token.")
        user, auth_token = super().authenticate_credentials(token)
        return user, auth_token
