"""What only this API can miss."""

from __future__ import annotations

from workflows.exceptions import WorkflowError


class StepNotFound(WorkflowError):
    """The workflow has no such step, or the step has no output of its own."""

    code = "STEP_NOT_FOUND"
