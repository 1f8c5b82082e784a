"""What was answered to requests that named an ``Idempotency-Key``."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class IdempotencyKey(models.Model):
    """An answer that is given again to the same request. Written in the transaction of what the request did.

    ``digest`` is the SHA-256 of who asked, the method, the path and the key (which is not kept itself),
    ``fingerprint`` that of what was asked. ``project_id`` is the project that the answer is about: it is given again
    only to somebody who may still see that. ``body`` NULL: the answer was too large to be kept.
    """

    digest = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    fingerprint = models.CharField(max_length=64)
    http_status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict, blank=True)
    body = models.BinaryField(null=True, blank=True)
    project_id = models.CharField(max_length=64, blank=True, default="")
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = "idempotency key"
        ordering = ("expires_at",)
        indexes = (models.Index(fields=("expires_at",), name="idempotency_expiry_idx"),)

    def __str__(self) -> str:
        return f"{self.http_status} until {self.expires_at}"
