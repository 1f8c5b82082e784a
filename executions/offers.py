"""What a person may do at a gate, and what it would lead to: the one source of the buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.contrib.auth.models import User

from executions.engine.state import TERMINAL
from executions.models import Decision, DecisionKind, ExecutionStatus, Gate, GateKind, GateStatus
from executions.services.access import refusal, voice
from workflows.definition import DEFAULT_MAX_REWORK_ROUNDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One button. ``reason_against`` says why it cannot be pressed."""

    value: str
    label: str
    effect: str
    reason_against: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a person stands at a gate: what is offered, or why nothing is."""

    offers: tuple[Offer, ...] = ()
    reason_against: str = ""
    is_forbidden: bool = False


def standing(user: User, gate: Gate, votes: Sequence[Decision]) -> Standing:
    """Say what ``user`` may do at ``gate`` now; ``votes`` are the decisions at this very gate."""
    closed = closed_because(gate, votes)
    if closed:
        return Standing(reason_against=closed)
    against = refusal(user, gate)
    if against is not None:
        return Standing(reason_against=against, is_forbidden=True)
    own = next((vote for vote in votes if vote.user_id == user.pk), None)
    speaker = voice(user, gate, votes)
    if own is not None:
        needed = gate.quorum - len(votes)
        return Standing(reason_against=f"You have decided: {_in_words(own.decision)}. It needs {needed} more.")
    if speaker is None:
        return Standing(reason_against="A deputy has voted here for you, or you are that of somebody who has voted.")
    offers: tuple[Offer, ...] = (_accept(gate, votes), _request_changes(gate), _reject())
    if speaker.user_id != user.pk:
        lead = f"You decide for {speaker.username}, as their deputy."
        offers = tuple(replace(each, effect=f"{lead} {each.effect}") for each in offers)
    return Standing(offers=offers)


def closed_because(gate: Gate, votes: Sequence[Decision]) -> str:
    """Say why nothing can be decided at ``gate`` by anybody, or return an empty text."""
    if gate.status == GateStatus.DECIDED and votes:
        last = votes[-1]
        when = f"{last.decided_at:%Y-%m-%d %H:%M} UTC"
        if gate.kind == GateKind.CLARIFICATION:
            return f"{last.by} answered these questions, at {when}."
        return f"{last.by} decided: {_in_words(last.decision)}, at {when}."
    if gate.status != GateStatus.OPEN:
        return f"This gate is {gate.status}; nothing is to be decided here any more."
    if gate.execution.status in [each.value for each in TERMINAL]:
        hint = " Retry it first." if gate.execution.status == ExecutionStatus.FAILED else ""
        return f"The run is {gate.execution.status}, so nothing can be decided in it.{hint}"
    return ""


def _accept(gate: Gate, votes: Sequence[Decision]) -> Offer:
    missing = gate.quorum - len(votes) - 1
    if missing > 0:
        effect = f"Counts as {len(votes) + 1} of {gate.quorum} acceptances; {missing} more will be needed."
    else:
        effect = f"Version {gate.document_version} is taken exactly as it is shown, and the run goes on with it."
    return Offer(value=DecisionKind.ACCEPT.value, label="Accept", effect=effect)


def _request_changes(gate: Gate) -> Offer:
    limit = gate.policy.get("max_rework_rounds")
    allowed = DEFAULT_MAX_REWORK_ROUNDS if limit is None else limit
    done = gate.step.rework_rounds
    effect = (
        f"The step runs again with your comments, and a new version comes back to be decided on"
        f" (round {done + 1} of {allowed})."
    )
    against = f"It was sent back {done} times, as often as is allowed." if done >= allowed else ""
    value = DecisionKind.REQUEST_CHANGES.value
    return Offer(value=value, label="Request changes", effect=effect, reason_against=against)


def _reject() -> Offer:
    effect = (
        "The run fails. What is finished stays; an operator can retry the run, and the step is then done again"
        " with your reason."
    )
    return Offer(value=DecisionKind.REJECT.value, label="Reject", effect=effect)


def _in_words(decision: str) -> str:
    return decision.replace("_", " ")
