"""Browsers without scripts, and what a reader finds on a page."""

from __future__ import annotations

import html
import re
from typing import Any

from django.test import Client

from executions.tests.engine_cast import person

_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]+>", re.DOTALL)
_SPACES = re.compile(r"\s+")


def visitor(name: str, *roles: str) -> Client:
    """Return a browser in which somebody of the cast is logged in."""
    client = Client()
    client.force_login(person(name, *roles))
    return client


def words(response: Any) -> str:
    """Return what a page says, without its markup."""
    text = _TAGS.sub(" ", response.content.decode())
    return _SPACES.sub(" ", html.unescape(text)).strip()


def links(response: Any) -> list[str]:
    """Return where the links of a page lead, in order."""
    return [html.unescape(found) for found in re.findall(r'<a [^>]*href="([^"]*)"', response.content.decode())]


def rows(response: Any) -> list[str]:
    """Return the words of each row in the body of the first table."""
    body = re.search(r"<tbody>(.*?)</tbody>", response.content.decode(), re.DOTALL)
    found = re.findall(r"<tr\b.*?</tr>", body[1], re.DOTALL) if body else []
    return [_SPACES.sub(" ", html.unescape(_TAGS.sub(" ", row))).strip() for row in found]
