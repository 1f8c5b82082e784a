"""Deputies: who decides for somebody who is away."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Deputy(models.Model):
    """From ``first_day`` to ``last_day`` (of UTC, both included) ``deputy`` may decide what ``absent`` may.

    Rows are kept: decisions that were made meanwhile refer to them by their people. ``ended_at``: it was ended
    before its time.
    """

    absent = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="deputies")
    deputy = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="absences")
    first_day = models.DateField()
    last_day = models.DateField()
    named_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deputies"
        ordering = ("-first_day", "-id")
        constraints = (
            models.CheckConstraint(condition=~Q(absent=F("deputy")), name="deputy_is_another"),
            models.CheckConstraint(condition=Q(first_day__lte=F("last_day")), name="deputy_days_in_order"),
        )

    def __str__(self) -> str:
        return f"{self.deputy} for {self.absent}, {self.first_day} to {self.last_day}"
