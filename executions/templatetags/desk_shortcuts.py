"""What the frame of the desk asks for by name."""

from __future__ import annotations

from typing import Any

from django import template
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone

from executions.admin.sidebar import Shortcut, shortcuts

register = template.Library()


@register.simple_tag(takes_context=True)
def desk_shortcuts(context: dict[str, Any]) -> list[Shortcut]:
    """Return the shortcuts on top of the side bar for whoever looks; a page that shows them twice finds them once."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if not isinstance(request, HttpRequest) or not isinstance(user, User):
        return []
    found: list[Shortcut] | None = getattr(request, "_combine_shortcuts", None)
    if found is None:
        found = request._combine_shortcuts = shortcuts(user, timezone.now())  # type: ignore[attr-defined]
    return found
