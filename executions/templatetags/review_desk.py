"""What templates of the desk ask for by name."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django import template
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.safestring import SafeString

from documents.rendering import visible
from executions import amounts
from executions.admin import display
from executions.admin.waiting import Inbox, inbox

register = template.Library()


@register.simple_tag
def inbox_of(user: User) -> Inbox:
    """Return what waits for this person, and what waits for others."""
    return inbox(user)


@register.filter
def badge(status: str) -> SafeString:
    return display.badge(status)


@register.filter
def in_words(status: str) -> str:
    return display.in_words(status)


@register.filter
def money(value: Decimal | None) -> str:
    return amounts.money(value)


@register.filter
def moment(value: datetime | None) -> str:
    return display.moment(value)


@register.filter
def ago(value: datetime) -> str:
    return amounts.span(timezone.now() - value)


@register.filter
def until(value: datetime) -> str:
    return amounts.span(value - timezone.now())


@register.filter
def is_past(value: datetime | None) -> bool:
    return value is not None and value < timezone.now()


@register.filter(name="visible")
def visible_text(text: str) -> str:
    """Spell out what a reader could not see; the result is escaped like any other text."""
    return visible(str(text))
