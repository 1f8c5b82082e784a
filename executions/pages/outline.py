"""A workflow as it will run: its steps in order, and where people come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from executions.amounts import span
from executions.services.access import OPERATOR
from workflows.definition import AcceptancePolicy, Definition, IterationStep, ProductionStep, Step
from workflows.durations import BadDuration, parse_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlineStep:
    """One step. ``gate`` says in words who must accept its document; ``steps`` are those of an iteration."""

    name: str
    produces: str
    about: str
    may_ask: bool
    gate: str
    is_iteration: bool
    steps: tuple[OutlineStep, ...] = ()


def outline(definition: Definition) -> tuple[OutlineStep, ...]:
    return _steps(definition.steps, definition)


def gate_count(definition: Definition) -> int:
    """Return how many of the steps end with people accepting a document."""
    steps = (step for step in definition.walk() if isinstance(step, ProductionStep))
    return sum(definition.document_types[step.produces].acceptance is not None for step in steps)


def _steps(steps: Sequence[Step], definition: Definition) -> tuple[OutlineStep, ...]:
    return tuple(_step(step, definition) for step in steps)


def _step(step: Step, definition: Definition) -> OutlineStep:
    if isinstance(step, IterationStep):
        entity, source = definition.entity_types[step.entity_type], definition.document_types[step.doc_type]
        return OutlineStep(
            name=step.name,
            produces="",
            about=_("Once for each %(item)s in %(document)s") % {"item": entity.name, "document": source.name},
            may_ask=False,
            gate="",
            is_iteration=True,
            steps=_steps(step.steps, definition),
        )
    doc_type = definition.document_types[step.produces]
    return OutlineStep(
        name=step.name,
        produces=doc_type.name,
        about=doc_type.description,
        may_ask=step.allow_clarification,
        gate=_gate(doc_type.acceptance) if doc_type.acceptance is not None else "",
        is_iteration=False,
    )


def _gate(policy: AcceptancePolicy) -> str:
    """Say who must accept, in one sentence."""
    who = [*policy.roles, *policy.users] or [OPERATOR]
    said = [_("Waits until accepted by %(who)s") % {"who": _either(who)}]
    if policy.quorum > 1:
        said.append(ngettext("%(count)d person", "%(count)d people", policy.quorum) % {"count": policy.quorum})
    if policy.four_eyes:
        said.append(_("not by whoever starts the run"))
    if policy.due_in:
        try:
            said.append(_("within %(time)s") % {"time": span(parse_duration(policy.due_in))})
        except BadDuration:
            said.append(_("within %(time)s") % {"time": policy.due_in})
    return ", ".join(said)


def _either(names: Sequence[str]) -> str:
    *first, last = names
    return _("%(first)s or %(last)s") % {"first": ", ".join(first), "last": last} if first else last
