"""What the composition root itself keeps: what callers have used up of their rates, and what tokens are for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone
from knox.models import AuthToken


class Allowance(models.Model):
    """How much of a rate somebody has used up. The table is UNLOGGED: after a crash everybody starts anew."""

    key = models.CharField(primary_key=True, max_length=200)
    # What has been used up is forgotten bit by bit, and all of it at this time.
    spent_until = models.DateTimeField()

    def __str__(self) -> str:
        return self.key


class TokenNote(models.Model):
    """What somebody said a token is for, and when it was last used, to the hour."""

    token: models.OneToOneField[Any, Any] = models.OneToOneField(
        AuthToken, on_delete=models.CASCADE, primary_key=True, related_name="note", swappable=False
    )
    label = models.CharField(max_length=100, blank=True, default="")
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.label


class ApiToken(AuthToken):  # type: ignore[misc] # knox has no types
    """A token as it is listed. Only its hash is kept; ``token_key`` is how its text begins."""

    class Meta:
        proxy = True
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.label or 'token'} ({self.token_key}…)"

    @property
    def label(self) -> str:
        note: TokenNote | None = getattr(self, "note", None)
        return "" if note is None else note.label

    @property
    def last_used_at(self) -> datetime | None:
        note: TokenNote | None = getattr(self, "note", None)
        return None if note is None else note.last_used_at

    @property
    def is_expired(self) -> bool:
        return self.expiry is not None and self.expiry <= timezone.now()
