"""Documents: immutable version rows.

A document's *series* is (scope_type, scope_id, document_type); its versions are 1..n without gaps.
Only ``status`` and ``is_latest`` of a row may ever change; a database trigger holds that.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class DocumentStatus(models.TextChoices):
    """What people said of a version; ``is_latest`` alone says whether a newer one exists."""

    FINAL = "final"  # needs no acceptance
    IN_REVIEW = "in_review"
    ACCEPTED = "accepted"
    CHANGES_REQUESTED = "changes_requested"
    REJECTED = "rejected"


class Document(models.Model):
    """One version. ``created_by`` is a model id or a user name; ``execution_id`` names the run that made it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project_id = models.CharField(max_length=64)
    scope_type = models.CharField(max_length=64)
    scope_id = models.CharField(max_length=1000)
    document_type = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    is_latest = models.BooleanField(default=True)
    status = models.CharField(max_length=20, choices=DocumentStatus)
    title = models.CharField(max_length=300)
    summary = models.TextField(blank=True, default="")
    content = models.JSONField()
    content_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    created_by_step = models.CharField(max_length=2000, blank=True, default="")
    execution_id = models.UUIDField(null=True)
    is_offline = models.BooleanField(default=False, help_text="Made with the offline model: a sample, not real work.")
    # NULL: nobody has edited this version or one that it was made from (see ``documents.edits``).
    edits = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("scope_type", "scope_id", "document_type", "version"), name="document_version_once"
            ),
            models.UniqueConstraint(
                fields=("scope_type", "scope_id", "document_type"),
                condition=Q(is_latest=True),
                name="document_one_latest",
            ),
            models.CheckConstraint(condition=Q(version__gte=1), name="document_version_positive"),
            models.CheckConstraint(condition=Q(status__in=DocumentStatus.values), name="document_status_known"),
        )
        indexes = (
            models.Index(fields=("project_id", "-created_at", "-id"), name="document_project_idx"),
            models.Index(fields=("-created_at", "-id"), name="document_newest_idx"),
            models.Index(fields=("execution_id", "document_type"), name="document_execution_idx"),
            # Found by without a look at the rows: most documents of a type may be old versions, or not for these eyes.
            models.Index(
                fields=("document_type", "-created_at", "-id"),
                include=("is_latest", "project_id"),
                name="document_type_idx",
            ),
            # Of what is still to be decided, or was decided against, there is little; hardly a step's own document.
            models.Index(
                fields=("status", "-created_at", "-id"),
                condition=Q(status__in=("in_review", "changes_requested", "rejected")),
                name="document_status_idx",
            ),
        )

    def __str__(self) -> str:
        return f"{self.document_type} v{self.version} ({self.scope_id})"
