"""Workflows and their revisions.

A :class:`WorkflowRevision` is one immutable definition, prompts and schemas included; a :class:`Workflow`
only points at the revision that new executions take.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from workflows.definition import Definition
from workflows.fields import OrderedJSONField
from workflows.parsed import parsed_definition


class WorkflowFormat(models.TextChoices):
    """The format of the file that a revision was loaded from."""

    WORKFLOW_V1 = "workflow.v1"
    FLAT = "flat"


class WorkflowRevision(models.Model):
    """One definition, named by its digest. A database trigger refuses every UPDATE."""

    workflow_id = models.CharField(max_length=64, db_index=True)
    digest = models.CharField(max_length=64, unique=True)
    revision = models.TextField()
    name = models.TextField()
    description = models.TextField(blank=True)
    format = models.CharField(max_length=20, choices=WorkflowFormat)
    effective_date = models.DateField(null=True, blank=True)
    definition = OrderedJSONField()
    warnings = models.JSONField(default=list, help_text="What loading warned of: severity, code, path, detail.")
    package = models.TextField(blank=True, help_text="Name of the package directory.")
    step_count = models.PositiveIntegerField()
    loaded_at = models.DateTimeField()

    class Meta:
        ordering = ("-loaded_at", "-id")
        constraints = (
            models.CheckConstraint(condition=Q(digest__regex="^[0-9a-f]{64}$"), name="workflowrevision_digest_hex"),
            models.CheckConstraint(condition=Q(format__in=WorkflowFormat.values), name="workflowrevision_format_known"),
        )

    def __str__(self) -> str:
        return f"{self.workflow_id} {self.revision}"

    def parsed(self) -> Definition:
        """Return the definition, parsed once per process."""
        return parsed_definition(self.digest, lambda: self.definition)


class Workflow(models.Model):
    """A workflow by its id, and the revision that new executions take."""

    workflow_id = models.CharField(max_length=64, primary_key=True)
    current_revision = models.ForeignKey(WorkflowRevision, on_delete=models.PROTECT, related_name="+")
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("workflow_id",)

    def __str__(self) -> str:
        return self.workflow_id


class PackageUpload(models.Model):
    """A package that somebody has uploaded and may load after a look. It goes when it is loaded, or after a day."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    archive = models.BinaryField()
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    uploaded_at = models.DateTimeField()

    class Meta:
        ordering = ("-uploaded_at", "-id")

    def __str__(self) -> str:
        return self.name
