"""The optional keys of a step that calls the model, the same in both formats."""

from __future__ import annotations

from dataclasses import dataclass

from workflows.definition import DEFAULT_MAX_ATTEMPTS
from workflows.formats.reading import Reader

MAX_STEPS = 1_000
MAX_TOKENS = 200_000
MAX_ATTEMPTS = 10
MAX_TIMEOUT_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOptions:
    """How the model is called."""

    model: str | None
    max_tokens: int | None
    allow_clarification: bool
    max_attempts: int
    timeout_seconds: float | None


def read_options(step: Reader) -> StepOptions:
    """Read the optional keys, each within its range."""
    model = step.text("model", required=False) or None
    if model is not None:
        step.context.check_model(model, step.place("model"))
    return StepOptions(
        model=model,
        max_tokens=step.integer("max_tokens", 1, MAX_TOKENS),
        allow_clarification=step.boolean("allow_clarification", default=True),
        max_attempts=step.integer("max_attempts", 1, MAX_ATTEMPTS) or DEFAULT_MAX_ATTEMPTS,
        timeout_seconds=step.number("timeout_seconds", 1, MAX_TIMEOUT_SECONDS),
    )


def step_name(step: Reader, step_id: str) -> str:
    """Return the step's name; without one, its id made readable."""
    return step.text("name", required=False) or readable(step_id)


def readable(identifier: str) -> str:
    """Return an id as words: ``epic_backlog`` becomes ``Epic backlog``."""
    words = identifier.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]
