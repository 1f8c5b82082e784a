"""The steps of a run as a tree: what each line says, and which lines are shown where there are hundreds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext as _

from executions.amounts import NOTHING, money, span
from executions.api.pictures import items_around
from executions.models import StepStatus
from executions.pages import words
from executions.pages.live_bars import Drawn, Scale, Segment, lengths
from executions.pages.live_gathering import Gathered, LiveStep
from workflows.definition import IterationStep

# Beyond this many lines a run shows its items folded; what is in them comes when one is opened.
MOST_ROWS = 120
# Inside an item that was opened, smaller ones are shown at once.
SMALL_GROUP = 40
AT_WORK = (StepStatus.RUNNING, StepStatus.WAITING_ACCEPTANCE, StepStatus.WAITING_CLARIFICATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line: a step with its state in words, its bar, its time and its cost."""

    path: str
    name: str
    items: str
    status: str
    words: str
    bar: Sequence[Drawn]
    bar_label: str
    now: str
    took: str
    cost: str
    tries: int
    document_id: UUID | None
    is_iteration: bool


@dataclass(slots=True, kw_only=True)
class Group:
    """One item of an iteration, with its steps; ``rows`` empty and ``is_lazy`` where they were left out."""

    key: str
    label: str
    title: str
    size: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    cost: Decimal = Decimal(0)
    is_open: bool = False
    is_lazy: bool = False
    nodes: list[Node] = field(default_factory=list)

    @property
    def counted(self) -> list[tuple[str, int]]:
        """Return how many of its steps are in each state, in the order in which states follow each other."""
        return [(status, self.counts[status]) for status in StepStatus.values if self.counts[status]]

    @property
    def spent(self) -> str:
        return money(self.cost) if self.cost else ""


@dataclass(slots=True, kw_only=True)
class Node:
    row: Row
    groups: list[Group] = field(default_factory=list)


class Tree:
    """All that is shown of the steps. ``opened`` are keys of items that somebody has opened."""

    def __init__(self, gathered: Gathered, opened: Collection[str] = ()) -> None:
        self._gathered = gathered
        self._opened = frozenset(opened)
        self.is_folded = len(gathered.steps) > MOST_ROWS
        self._children: dict[str, list[LiveStep]] = defaultdict(list)
        self._groups: dict[str, Group] = {}
        self._groups_of: dict[str, list[str]] = defaultdict(list)
        self._count()
        everything = [segment for step in gathered.steps for segment in step.segments]
        self.scale = Scale(gathered.execution.started_at, gathered.end, everything)
        self.now = "" if gathered.is_over else f"{self.scale.place(gathered.now):.2f}%"
        self.has_parts = {segment.part for segment in everything}
        self.nodes = [self._node(step) for step in self._children[""]]

    def group(self, key: str) -> Group | None:
        """Return an item with its steps, as somebody who opens it is to see it."""
        group = self._groups.get(key)
        if group is None:
            return None
        return self._fill(group, is_asked=True)

    def groups(self) -> Mapping[str, Group]:
        return self._groups

    def shown_rows(self) -> Iterator[Row]:
        """Yield the lines that are on the page."""
        yield from _rows(self.nodes)

    def _count(self) -> None:
        for step in self._gathered.steps:
            around = list(items_around(step.path))
            parent = ""
            for path, item in around:
                key = f"{path}[{item}]"
                if key not in self._groups:
                    self._groups[key] = self._new_group(path, item)
                    self._groups_of[path].append(key)
                group = self._groups[key]
                group.size += 1
                if not step.is_iteration:
                    group.counts[step.status] += 1
                    group.cost += step.known_cost
                parent = key
            self._children[parent].append(step)

    def _new_group(self, path: str, item: str) -> Group:
        step = self._gathered.definition.step(path.rpartition(".")[2] if "]." in path else path)
        entity = step.entity_type if isinstance(step, IterationStep) else ""
        entity_type = self._gathered.definition.entity_types.get(entity)
        title = self._gathered.titles.get(f"{path}[{item}]", "")
        return Group(key=f"{path}[{item}]", label=f"{entity_type.name} {item}" if entity_type else item, title=title)

    def _node(self, step: LiveStep) -> Node:
        node = Node(row=self.row(step))
        if step.is_iteration:
            node.groups = [self._fill(self._groups[key]) for key in self._groups_of.get(step.path, ())]
        return node

    def _fill(self, group: Group, *, is_asked: bool = False) -> Group:
        """Give an item its steps, unless they are to come when it is opened."""
        depth = group.key.count("[")
        is_opened = is_asked or group.key in self._opened
        is_shown = not self.is_folded or is_opened or (depth > 1 and group.size <= SMALL_GROUP)
        group.is_lazy = not is_shown
        busy = any(group.counts[status] for status in (*AT_WORK, StepStatus.FAILED))
        group.is_open = is_shown and (is_opened or not self.is_folded or busy)
        if is_shown:
            group.nodes = [self._node(step) for step in self._children[group.key]]
        return group

    def row(self, step: LiveStep) -> Row:
        gathered = self._gathered
        return Row(
            path=step.path,
            name=step.name,
            items=" / ".join(item for _path, item in items_around(step.path)),
            status=step.status,
            words=step_words(step, gathered),
            bar=self.scale.drawn(step.segments),
            bar_label=bar_label(step.segments),
            now=self.now,
            took=_took(step, gathered.end),
            cost=step.cost,
            tries=step.tries,
            document_id=step.document_id,
            is_iteration=step.is_iteration,
        )


def step_words(step: LiveStep, gathered: Gathered) -> str:
    """Say in words what a step is doing, or what became of it."""
    if step.is_iteration and step.total_items is not None and step.status != StepStatus.FAILED:
        progress = gathered.progress[step.path]
        return _("%(done)d of %(total)d items done") % {"done": progress.completed, "total": step.total_items}
    if step.status == StepStatus.PENDING:
        return _pending_words(step, gathered)
    if step.status == StepStatus.RUNNING:
        if step.is_held:
            return _("running, try %(number)d") % {"number": max(step.attempt, 1)}
        return _pending_words(step, gathered)
    if step.status in (StepStatus.WAITING_ACCEPTANCE, StepStatus.WAITING_CLARIFICATION):
        return _("waiting for %(who)s") % {"who": ", ".join(step.waits_for) or "operator"}
    if step.status == StepStatus.COMPLETED:
        if step.accepted_by:
            return _("accepted by %(who)s") % {"who": ", ".join(step.accepted_by)}
        if step.answered_by:
            return _("done, answered by %(who)s") % {"who": ", ".join(step.answered_by)}
        return _("done")
    if step.status == StepStatus.FAILED:
        return _("failed (%(code)s)") % {"code": step.error_code}
    return words.label(step.status).lower()


def bar_label(segments: Sequence[Segment]) -> str:
    """Say what a bar shows."""
    names = {"queue": _("waiting for a worker"), "model": _("model"), "people": _("people")}
    return ", ".join(f"{names[part]} {span(length)}" for part, length in lengths(segments).items())


def _pending_words(step: LiveStep, gathered: Gathered) -> str:
    if gathered.is_over:
        return _("not run")
    if step.due_at is not None and step.due_at > gathered.now:
        return _("tries again in %(time)s") % {"time": span(step.due_at - gathered.now)}
    if step.ready_at is None:
        return _("not yet")
    if step.attempt > 1:
        return _("waiting for a worker, try %(number)d") % {"number": step.attempt}
    return _("waiting for a worker")


def _took(step: LiveStep, end: datetime) -> str:
    if step.is_iteration or not step.segments:
        return "" if step.is_iteration else NOTHING
    began = next((each.begin for each in step.segments if each.part != "queue"), step.segments[0].begin)
    last = step.completed_at or (end if step.status in AT_WORK else step.segments[-1].end)
    return span(max(last - began, timedelta()))


def _rows(nodes: Sequence[Node]) -> Iterator[Row]:
    for node in nodes:
        yield node.row
        for group in node.groups:
            yield from _rows(group.nodes)
