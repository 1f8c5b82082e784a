"""What of a run's page depends on who looks: what waits for them, and what they may do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import Group, User
from django.db.models import Count, Q
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from executions.models import Execution, ExecutionStatus, Gate
from executions.pages.definitions import type_name
from executions.pages.home import gate_url
from executions.pages.live_gathering import deciders
from executions.run_acts import KINDS, reason_against
from executions.services.access import undecided_gates, waits_for

MOST_GATES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """One open gate: for the viewer (with where they decide), or for others (and how many those are)."""

    gate: Gate
    what: str
    url: str | None
    is_mine: bool
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedAct:
    name: str
    label: str
    url: str
    reason_against: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerPart:
    """``title`` and ``favicon`` say in the browser's tab whether somebody is needed."""

    mine: Sequence[Waits]
    others: Sequence[Waits]
    acts: Sequence[OfferedAct]
    title: str
    favicon: str


def viewer_part(execution: Execution, user: User, name: str) -> ViewerPart:
    """Return the part for ``user``; ``name`` is the workflow's."""
    waits = _waits(execution, user)
    mine = [each for each in waits if each.is_mine]
    return ViewerPart(
        mine=mine,
        others=[each for each in waits if not each.is_mine],
        acts=_acts(execution, user),
        title=_("● Needs you · %(name)s") % {"name": name} if mine else f"{_mark(execution)} {name}",
        favicon=static(f"combine/favicon-{_favicon(execution, is_needed=bool(mine))}.svg"),
    )


def _waits(execution: Execution, user: User) -> list[Waits]:
    gates = Gate.objects.filter(execution=execution).defer("questions", "answers", "policy")
    rows = undecided_gates(gates).annotate(is_mine=waits_for(user)).order_by("opened_at", "id")
    found = list(rows[:MOST_GATES])
    for gate in found:
        gate.execution = execution
    people = _people(found)
    return [_wait(gate, user, people) for gate in found]


def _wait(gate: Gate, user: User, people: dict[str, int]) -> Waits:
    name = type_name(gate.execution.revision.parsed(), gate.document_type)
    is_review = gate.document_version is not None
    if is_review:
        what = _("accept “%(name)s” v%(version)s") % {"name": name, "version": gate.document_version}
    else:
        what = _("answer questions about “%(name)s”") % {"name": name}
    is_mine: bool = gate.is_mine  # type: ignore[attr-defined] # annotated above
    who = [_counted(role, people[role]) if role in people else role for role in deciders(gate)]
    if gate.kind == "clarification":
        who = who[1:] or who  # operators always may; those who are named know the answers
    return Waits(
        gate=gate,
        what=what,
        url=gate_url(gate, user) if is_mine and (user.is_staff or not is_review) else None,
        is_mine=is_mine,
        who=_(" or ").join(who),
    )


def _counted(role: str, count: int) -> str:
    people = ngettext("%(count)d person", "%(count)d people", count) % {"count": count}
    return f"{role} ({people})"


def _people(gates: Sequence[Gate]) -> dict[str, int]:
    """Return how many people have each role that is waited for."""
    roles = {role for gate in gates for role in ("operator", *gate.deciding_roles)}
    if not roles:
        return {}
    rows = Group.objects.filter(name__in=roles).annotate(people=Count("user", filter=Q(user__is_active=True)))
    return dict(rows.values_list("name", "people"))


def _acts(execution: Execution, user: User) -> list[OfferedAct]:
    """Return what can be done to the run as it is; to those who may not, with the reason why."""
    return [
        OfferedAct(
            name=kind.name,
            label=kind.label,
            url=reverse(f"execution-{kind.name}-page", args=(execution.pk,)),
            reason_against=reason_against(kind, user, execution),
        )
        for kind in KINDS
        if execution.status in kind.states
    ]


def _mark(execution: Execution) -> str:
    marks = {ExecutionStatus.COMPLETED: "✓", ExecutionStatus.FAILED: "✕", ExecutionStatus.CANCELLED: "■"}
    return marks.get(ExecutionStatus(execution.status), "▶")


def _favicon(execution: Execution, *, is_needed: bool) -> str:
    if is_needed:
        return "waiting"
    looks = {ExecutionStatus.COMPLETED: "done", ExecutionStatus.FAILED: "failed", ExecutionStatus.CANCELLED: "over"}
    return looks.get(ExecutionStatus(execution.status), "running")
