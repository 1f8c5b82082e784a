"""Definitions by revision, parsed once per process: revisions never change."""

from __future__ import annotations

from functools import lru_cache

from executions.engine.layout import Layout
from workflows.models import WorkflowRevision


@lru_cache(maxsize=256)
def layout_of(revision_id: int) -> Layout:
    """Return the parsed definition of a revision with its layout."""
    return Layout(WorkflowRevision.objects.get(pk=revision_id).parsed())
