"""The words of a run's page: states, events and errors.

Sentences are format strings with named fields. The server fills them in for the page, and the page's script fills in
the same ones for what happens afterwards, so nothing is said twice in two ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from executions.models import EventType, StepStatus

Kind = Literal["all", "people", "errors"]
Text = str | Promise

MAX_DETAIL = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence of the log, with what its line looks like; ``kind`` is the filter that it belongs to."""

    text: Text
    icon: str
    look: str
    kind: Kind = "all"


def _of(text: Text, icon: str = "dot", look: str = "idle", kind: Kind = "all") -> Sentence:
    return Sentence(text=text, icon=icon, look=look, kind=kind)


# By type, or by type and the value of the field in VARIANTS. Names of fields: those of the event's data, beside
# ``document`` (the name of the type), ``count`` (of questions) and ``budget`` (which one, and whether all is used).
SENTENCES: dict[str, Sentence] = {
    "execution_started": _of(_("Started: {workflow_id}, revision {revision}"), "play", "busy"),
    "step_started": _of(_("started, try {attempt} ({model})"), "play", "busy"),
    "step_retrying": _of(_("is tried again"), "again", "wait", "errors"),
    "step_retrying.output_invalid": _of(
        _("wrote something that is not valid; try {attempt} begins"), "again", "wait", "errors"
    ),
    "step_retrying.provider_error": _of(_("could not reach the model; it is tried again"), "again", "wait", "errors"),
    "step_retrying.worker_lost": _of(_("lost its worker; another takes over"), "again", "wait", "errors"),
    "step_retrying.rework": _of(_("is written again with the comments, try {attempt}"), "again", "busy"),
    "step_completed": _of(_("is done"), "check", "good"),
    "step_failed": _of(_("failed ({code})"), "cross", "bad", "errors"),
    "clarification_needed": _of(_("asks {count} questions"), "question", "wait", "people"),
    "clarification_needed.1": _of(_("asks 1 question"), "question", "wait", "people"),
    "clarification_answered": _of(_("answered by {by}"), "person", "good", "people"),
    "acceptance_needed": _of(_("waits for {roles} to accept it"), "person", "wait", "people"),
    "acceptance_decided": _of(_("was decided on by {by}"), "person", "good", "people"),
    "acceptance_decided.accept": _of(_("was accepted by {by}"), "check", "good", "people"),
    "acceptance_decided.request_changes": _of(_("was sent back with comments by {by}"), "again", "wait", "people"),
    "acceptance_decided.reject": _of(_("was rejected by {by}"), "cross", "bad", "people"),
    "document_created": _of(_("{document} v{version} was stored"), "document", "good"),
    "iteration_expanded": _of(_("has {total} items"), "chevron", "idle"),
    "iteration_expanded.1": _of(_("has 1 item"), "chevron", "idle"),
    "execution_retried": _of(_("Retried by {by}"), "again", "busy", "people"),
    "budget_warning": _of(_("{percent}% of a budget is used"), "dot", "wait", "errors"),
    "budget_warning.execution": _of(_("{percent}% of this run's budget is used"), "dot", "wait", "errors"),
    "budget_warning.execution.used_up": _of(_("This run's budget is used up"), "dot", "bad", "errors"),
    "budget_warning.project": _of(_("{percent}% of the project's budget is used"), "dot", "wait", "errors"),
    "budget_warning.project.used_up": _of(_("The project's budget is used up"), "dot", "bad", "errors"),
    "budget_warning.project_workflow": _of(
        _("{percent}% of the project's budget for {workflow_id} is used"), "dot", "wait", "errors"
    ),
    "budget_warning.project_workflow.used_up": _of(
        _("The project's budget for {workflow_id} is used up"), "dot", "bad", "errors"
    ),
    "budget_warning.workflow": _of(
        _("{percent}% of the budget of all runs of {workflow_id} is used"), "dot", "wait", "errors"
    ),
    "budget_warning.workflow.used_up": _of(
        _("The budget of all runs of {workflow_id} is used up"), "dot", "bad", "errors"
    ),
    "budget_warning.all": _of(_("{percent}% of the budget of all runs is used"), "dot", "wait", "errors"),
    "budget_warning.all.used_up": _of(_("The budget of all runs is used up"), "dot", "bad", "errors"),
    "execution_completed": _of(_("Completed"), "check", "good"),
    "execution_failed": _of(_("Failed ({code})"), "cross", "bad", "errors"),
    "execution_cancelled": _of(_("Cancelled by {by}"), "stop", "idle", "people"),
}
VARIANTS = {
    "step_retrying": "reason",
    "clarification_needed": "count",
    "acceptance_decided": "decision",
    "iteration_expanded": "total",
    "budget_warning": "budget",
}
# What of the data is told beside the sentence, in the words of whoever said it: the first that is there.
DETAILS = ("comment", "reason_given", "finding", "detail")

# What an event makes of its step, where that can be said at once; all else the server says a moment later.
MOVES: dict[str, str] = {
    EventType.STEP_STARTED.value: StepStatus.RUNNING.value,
    EventType.STEP_COMPLETED.value: StepStatus.COMPLETED.value,
    EventType.STEP_FAILED.value: StepStatus.FAILED.value,
    EventType.CLARIFICATION_NEEDED.value: StepStatus.WAITING_CLARIFICATION.value,
    EventType.ACCEPTANCE_NEEDED.value: StepStatus.WAITING_ACCEPTANCE.value,
}
# What a step's line says at once, until the server has said it better.
STATES: dict[str, Text] = {
    StepStatus.RUNNING.value: _("running, try {attempt}"),
    StepStatus.WAITING_CLARIFICATION.value: _("waiting for answers"),
    StepStatus.WAITING_ACCEPTANCE.value: _("waiting for {roles}"),
    StepStatus.COMPLETED.value: _("done"),
    StepStatus.FAILED.value: _("failed ({code})"),
}
# Events that are read out to those who do not see the page.
ANNOUNCED = (
    EventType.STEP_COMPLETED.value,
    EventType.STEP_FAILED.value,
    EventType.CLARIFICATION_NEEDED.value,
    EventType.ACCEPTANCE_NEEDED.value,
    EventType.EXECUTION_COMPLETED.value,
    EventType.EXECUTION_FAILED.value,
    EventType.EXECUTION_CANCELLED.value,
)
TERMINAL = (
    EventType.EXECUTION_COMPLETED.value,
    EventType.EXECUTION_FAILED.value,
    EventType.EXECUTION_CANCELLED.value,
)

# What the script says of itself.
SCRIPT_TEXTS: dict[str, Text] = {
    "interrupted": _("Live updates are interrupted. The execution keeps running on the server; trying again…"),
    "polling": _("Live updates are interrupted. The execution keeps running on the server. Updating every 5 s."),
    "restored": _("Live updates restored; nothing was missed"),
    "signedOut": _("You are logged out, or may not see this run any more. Reload the page."),
    "noOutput": _("No output yet."),
    "writing": _("{step} is writing"),
    "stored": _("{step}: the stored document"),
    "cut": _("… the beginning is left out."),
    "following": _("Following"),
    "follow": _("Follow"),
    "operator": "operator",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """An error in words: what went wrong, and what to do next."""

    cause: Text
    act: Text


_LOOK_FIRST = _("Read the findings of the last try; then retry the run, with a reason that tells the model what to do.")
CAUSES: dict[str, Cause] = {
    "OUTPUT_INVALID": Cause(
        cause=_("What the model wrote did not fit the document's schema, however often it was tried."), act=_LOOK_FIRST
    ),
    "OUTPUT_TRUNCATED": Cause(
        cause=_("The model's answer was cut off: it was longer than the step allows."),
        act=_("Raise the step's max_tokens or ask for less, load the workflow and start a new run."),
    ),
    "OUTPUT_TOO_LARGE": Cause(cause=_("The model's answer was larger than a document may be."), act=_LOOK_FIRST),
    "MODEL_REFUSED": Cause(
        cause=_("The model refused to write this."),
        act=_("Read what it answered; change the brief or the prompt, and start a new run."),
    ),
    "DOCUMENT_REJECTED": Cause(
        cause=_("A reviewer rejected a document."),
        act=_("Retry the run to have the document written again with the reviewer's reason."),
    ),
    "BUDGET_EXHAUSTED": Cause(
        cause=_("The next call could have gone beyond the budget, so it was not sent."),
        act=_("Retry the run with a higher budget."),
    ),
    "INPUT_MISSING": Cause(
        cause=_("A step needs a document that nothing in this run has made."),
        act=_("Start a new run whose brief brings the document along."),
    ),
    "COLLECTION_TOO_LARGE": Cause(
        cause=_("There are more items than the workflow allows."),
        act=_("Retry the run with a reason that asks for fewer items."),
    ),
    "PROVIDER_ERROR": Cause(
        cause=_("The model's provider failed again and again."), act=_("Wait until it is well again, then retry.")
    ),
    "PROVIDER_QUOTA": Cause(
        cause=_("The account at the model's provider has nothing left to spend."),
        act=_("Have it topped up, then retry."),
    ),
    "PROVIDER_AUTH": Cause(
        cause=_("The model's provider did not take our key."), act=_("Have ANTHROPIC_API_KEY put right, then retry.")
    ),
    "STEP_TIMEOUT": Cause(cause=_("The model did not answer in the time that the step has."), act=_("Retry the run.")),
    "STEP_CRASHED": Cause(
        cause=_("Workers died whenever they worked on this step."),
        act=_("Have somebody look at the worker's log before it is retried."),
    ),
    "GATE_EXPIRED": Cause(
        cause=_("Nobody decided in the time that the workflow gives."),
        act=_("Retry the run to ask again, and tell the people whom it waits for."),
    ),
    "INTERNAL_ERROR": Cause(
        cause=_("The Combine itself failed at this step."),
        act=_("Look at the worker's log for the error; then retry the run."),
    ),
}
SHARED_BUDGET = Cause(
    cause=_("The next call could have gone beyond a budget that this run shares with others, so it was not sent."),
    act=_("The details say which. Have it raised, or wait for its next period; then retry the run."),
)
UNKNOWN_CAUSE = Cause(cause=_("A step could not be done."), act=_("Read the details, then retry the run."))


def sentence_of(event_type: str, fields: Mapping[str, Any]) -> Sentence:
    """Return the sentence for an event with these fields."""
    variant = f"{event_type}.{fields.get(VARIANTS.get(event_type, ''), '')}"
    return SENTENCES.get(variant) or SENTENCES.get(event_type) or _of(event_type.replace("_", " "))


def fields_of(event_type: str, data: Mapping[str, Any], types: Mapping[str, str], documents: Mapping[str, str]) -> Any:
    """Return what the sentence of an event may name. The page's script does the same, from the same data.

    ``types`` are names of document types, ``documents`` the types of documents by their ids.
    """
    fields = dict(data)
    doc_type = data.get("doc_type") or documents.get(str(data.get("document_id")), "")
    fields["document"] = types.get(doc_type, doc_type)
    fields["count"] = len(data.get("questions") or ())
    fields["roles"] = ", ".join(data.get("roles") or ()) or "operator"
    findings = data.get("findings") or ()
    fields["finding"] = findings[0].get("detail") if findings else ""
    fields["budget"] = f"{data.get('scope')}{'.used_up' if data.get('percent', 0) >= 100 else ''}"
    fields["reason_given"] = data.get("reason") if event_type.startswith("execution_") else ""
    return fields


def detail_of(fields: Mapping[str, Any]) -> str:
    text = next((str(fields[name]) for name in DETAILS if fields.get(name)), "")
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - 1] + "…"


class Blank(dict[str, Any]):
    """Fields of which some may be missing."""

    def __missing__(self, key: str) -> str:
        return ""
