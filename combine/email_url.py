"""How mail leaves the house: COMBINE_EMAIL_URL as Django's settings. Without one it is printed by the worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

# Longer than a server that works takes; mail is tried again.
TIMEOUT_SECONDS = 10
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_FIX = "give smtp://user:password@host:port (or smtp+starttls://, or smtps://), %-encoding odd characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """An SMTP server. ``scheme`` says how the connection is protected."""

    scheme: str
    host: str
    port: int
    user: str
    password: str


def parse_email_url(raw: str) -> MailServer | None:
    """:raises ValueError: the URL is of no mail server; the text says how one looks, and repeats no password."""
    parts = urlsplit(raw)
    try:
        port = parts.port
    except ValueError:
        raise ValueError(_FIX) from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(_FIX)
    return MailServer(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def email_settings(server: MailServer | None) -> dict[str, Any]:
    """Django's settings for mail."""
    if server is None:
        return {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": server.host,
        "EMAIL_PORT": server.port,
        "EMAIL_HOST_USER": server.user,
        "EMAIL_HOST_PASSWORD": server.password,
        "EMAIL_USE_TLS": server.scheme == "smtp+starttls",
        "EMAIL_USE_SSL": server.scheme == "smtps",
        "EMAIL_TIMEOUT": TIMEOUT_SECONDS,
    }
