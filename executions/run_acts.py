"""Cancelling and retrying a run as people do it: when it is offered, what it leads to, and the forms it is asked with.

The desk and the live page show the same; each has its own addresses and templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import User

from executions.amounts import money
from executions.exceptions import Conflict, Invalid, NotPermitted, TooManyRuns
from executions.models import Execution, ExecutionStatus
from executions.overview import goes_on_from, kept_when_cancelled
from executions.services.access import OPERATOR, is_operator
from executions.services.executions import MAX_BUDGET, MAX_REASON, cancel_execution, retry_execution
from executions.services.stopped import is_own, is_shared

_CAN_CANCEL = (
    ExecutionStatus.PENDING,
    ExecutionStatus.RUNNING,
    ExecutionStatus.WAITING_ACCEPTANCE,
    ExecutionStatus.WAITING_CLARIFICATION,
)


class CommentField(forms.CharField):
    """Several lines of text. A browser sends its line ends as two characters; one is kept and counted."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return re.sub("\r\n?", "\n", text) if isinstance(text, str) else text


class ReasonForm(forms.Form):
    reason = CommentField(
        required=False, max_length=MAX_REASON, widget=forms.Textarea(attrs={"rows": 3, "maxlength": False})
    )


class CancelForm(ReasonForm):
    pass


class RetryForm(ReasonForm):
    budget_usd = forms.DecimalField(
        label="New budget in US dollars",
        required=False,
        min_value=0,
        max_value=MAX_BUDGET,
        max_digits=20,
        decimal_places=10,
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
        help_text="For the whole run, with what it has spent already. Empty: the budget stays as it is.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One thing that an operator can do to a run."""

    name: str
    label: str
    title: str
    done: str
    form: type[ReasonForm]
    states: tuple[ExecutionStatus, ...]
    needs: str
    reason_label: str
    effects: Callable[[Execution], list[str]]
    service: Callable[[User, Execution, dict[str, Any]], Execution]

    def new_form(self, data: Any = None) -> ReasonForm:
        form = self.form(data)
        form.fields["reason"].label = self.reason_label
        return form


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why it was not done: with the status of the answer, and a sentence if the form does not say it."""

    status: int
    conflict: str = ""


def reason_against(kind: Kind, user: User, execution: Execution) -> str:
    """Say why ``user`` cannot do it now, or return an empty text."""
    if execution.status not in kind.states:
        return f"The run is {_in_words(execution.status)}; {kind.needs}"
    if not is_operator(user):
        return f"You need the role {OPERATOR}; ask an administrator to add you to that group."
    return ""


def perform(kind: Kind, user: User, execution: Execution, form: ReasonForm) -> Refused | None:
    """Do it as the form says. Where it is refused, the form and the execution say how things stand now."""
    if not is_operator(user):
        return Refused(status=403)
    if not form.is_valid():
        return Refused(status=200)
    try:
        kind.service(user, execution, form.cleaned_data)
    except NotPermitted:
        return Refused(status=403)
    except Conflict as conflict:
        execution.refresh_from_db()
        return Refused(status=409, conflict=conflict.detail)
    except TooManyRuns as many:
        return Refused(status=429, conflict=many.detail)
    except Invalid as invalid:
        for error in invalid.errors:
            name = error.path.removeprefix("/")
            form.add_error(name if name in form.fields else None, f"This {error.detail}.")
        return Refused(status=200)
    return None


def _in_words(status: str) -> str:
    return status.replace("waiting_", "waiting for ").replace("_", " ")


def _retry_effects(execution: Execution) -> list[str]:
    said = ["Finished steps are not run, or paid for, again. Failed steps get a fresh set of tries."]
    said += goes_on_from(execution)
    if execution.error_code == "DOCUMENT_REJECTED":
        said.append("The rejected document is done again, with the reviewer's reason and yours.")
    if is_shared(execution.error_code, execution.error_detail):
        said.append(
            "A budget that it shares with others was used up. Unless that was raised, or its next period has begun, the"
            " run fails again at once."
        )
    elif is_own(execution.error_code, execution.error_detail):
        said.append("The run's own budget was used up. Unless you raise it here, the run fails again at once.")
    if execution.budget_usd is not None:
        said.append(f"Spent so far: {money(execution.cost_usd)} of {money(execution.budget_usd)}.")
    return said


def _cancel_effects(execution: Execution) -> list[str]:
    spent = f"Spent so far: {money(execution.cost_usd)}."
    if execution.reserved_usd:
        spent += f" What is under way may add {money(execution.reserved_usd)} at most."
    return [*kept_when_cancelled(execution.pk), spent]


def _cancel(user: User, execution: Execution, row: dict[str, Any]) -> Execution:
    return cancel_execution(actor=user, execution_id=execution.pk, reason=row["reason"])


def _retry(user: User, execution: Execution, row: dict[str, Any]) -> Execution:
    return retry_execution(
        actor=user, execution_id=execution.pk, reason=row["reason"], budget_usd=row.get("budget_usd")
    )


CANCEL = Kind(
    name="cancel",
    label="Cancel the run",
    title="Cancel this run?",
    done="The run is cancelled.",
    form=CancelForm,
    states=_CAN_CANCEL,
    needs="only a run that is not over can be cancelled.",
    reason_label="Reason (kept in the history)",
    effects=_cancel_effects,
    service=_cancel,
)
RETRY = Kind(
    name="retry",
    label="Retry the run",
    title="Retry this run?",
    done="The run goes on.",
    form=RetryForm,
    states=(ExecutionStatus.FAILED,),
    needs="only a failed run can be retried.",
    reason_label="Reason (shown to the model)",
    effects=_retry_effects,
    service=_retry,
)
KINDS = (CANCEL, RETRY)
