"""What the engine refuses, and why. No HTTP here: ``combine.api`` maps these to answers.

CombineError                     code
├── NotFound
│   ├── BudgetNotFound           NOT_FOUND, since the API has none
│   ├── ExecutionNotFound        EXECUTION_NOT_FOUND
│   ├── GateNotFound             GATE_NOT_FOUND
│   ├── ProjectNotFound          PROJECT_NOT_FOUND
│   ├── StepNotFound             STEP_NOT_FOUND
│   ├── WebhookNotFound          WEBHOOK_NOT_FOUND
│   └── WebhookDeliveryNotFound  DELIVERY_NOT_FOUND
├── Invalid                      VALIDATION_ERROR, with a list of field errors
├── NotPermitted                 PERMISSION_DENIED
├── TooManyRuns                  RATE_LIMITED
└── Conflict                     CONFLICT
    ├── InvalidState             INVALID_STATE
    ├── AlreadyDecided           CONFLICT, naming who decided what
    ├── StaleDocument            CONFLICT, the gate is about another version
    └── GateAmbiguous            GATE_AMBIGUOUS, with the gates to choose from
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One wrong field. ``path`` is a JSON Pointer into the body."""

    path: str
    code: str
    detail: str


class CombineError(Exception):
    """Something that a caller did and that cannot be done; the text says why and what to do."""

    code = "ERROR"

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(detail)


class NotFound(CombineError):
    code = "NOT_FOUND"


class BudgetNotFound(NotFound):
    def __init__(self, budget_id: str) -> None:
        super().__init__(f"There is no budget {budget_id}.")


class ExecutionNotFound(NotFound):
    code = "EXECUTION_NOT_FOUND"

    def __init__(self, execution_id: str) -> None:
        super().__init__(f"There is no execution {execution_id}.")


class GateNotFound(NotFound):
    code = "GATE_NOT_FOUND"

    def __init__(self, gate_id: str) -> None:
        super().__init__(f"There is no gate {gate_id}.")


class ProjectNotFound(NotFound):
    code = "PROJECT_NOT_FOUND"

    def __init__(self, project_id: str) -> None:
        super().__init__(f"There is no project {project_id}.")


class StepNotFound(NotFound):
    code = "STEP_NOT_FOUND"

    def __init__(self, step_id: str) -> None:
        super().__init__(f"There is no step {step_id}.")


class WebhookNotFound(NotFound):
    code = "WEBHOOK_NOT_FOUND"

    def __init__(self, webhook_id: str) -> None:
        super().__init__(f"There is no webhook {webhook_id}.")


class WebhookDeliveryNotFound(NotFound):
    code = "DELIVERY_NOT_FOUND"

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"The webhook has no delivery {delivery_id}.")


class Invalid(CombineError):
    code = "VALIDATION_ERROR"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = list(errors)
        super().__init__("; ".join(f"{error.path or '/'}: {error.detail}" for error in self.errors))


class NotPermitted(CombineError):
    code = "PERMISSION_DENIED"


class TooManyRuns(CombineError):
    """As many runs are under way as may be. ``wait`` is how many seconds later it is worth another try."""

    code = "RATE_LIMITED"
    wait = 30


class Conflict(CombineError):
    code = "CONFLICT"


class InvalidState(Conflict):
    code = "INVALID_STATE"


class AlreadyDecided(Conflict):
    def __init__(self, *, by: str, decision: str, at: datetime) -> None:
        self.by, self.decision, self.at = by, decision, at
        super().__init__(f"This gate was decided already: {by} chose {decision} at {at:%Y-%m-%d %H:%M:%S} UTC.")


class StaleDocument(Conflict):
    def __init__(self, *, current_document_id: str, current_version: int | None) -> None:
        super().__init__(
            f"The gate is about version {current_version} (document {current_document_id}), not the one named;"
            " read that version, then decide."
        )


class GateAmbiguous(Conflict):
    code = "GATE_AMBIGUOUS"

    def __init__(self, gates: Sequence[tuple[str, str]]) -> None:
        self.gates = list(gates)
        listed = ", ".join(f"{gate_id} ({path})" for gate_id, path in self.gates)
        super().__init__(f"Several gates are open; name one as gate_id: {listed}.")
