"""The planner: what can happen next, from the definition and the unfinished steps alone.

Pure: no Django, no clock, no I/O. A step that is not among the unfinished ones is finished, so the
planner's work shrinks as a run goes on. See docs/architecture.md, "The planner".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from executions.engine.layout import Layout, Node, instance_path
from executions.engine.state import ExecutionStatus, StepStatus
from workflows.definition import IterationStep


@dataclass(frozen=True, slots=True, kw_only=True)
class StepState:
    """What the planner needs to know of one unfinished step.

    ``is_in_flight``: an attempt holds it. ``is_due``: it may be tried (again) now.
    """

    path: str
    step_id: str
    item_ids: tuple[str, ...]
    sort_key: str
    status: StepStatus
    is_in_flight: bool = False
    is_due: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandIteration:
    """Make the inner steps of the iteration at ``path``, one set per item of its collection."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteIteration:
    """Every inner step of the iteration at ``path`` is finished."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartStep:
    """The step at ``path`` has its inputs and a place: it may be tried now."""

    path: str


Command = ExpandIteration | CompleteIteration | StartStep


def plan(layout: Layout, steps: Sequence[StepState]) -> list[Command]:
    """Return what can be done now, in file order; structural commands first.

    Where structural commands come back they must be carried out and the plan made anew, since they
    make steps runnable. Nothing starts once a step has failed: what is in flight drains.
    """
    if any(step.status is StepStatus.FAILED for step in steps):
        return []
    view = _View(layout, steps)
    ordered = sorted(steps, key=lambda step: step.sort_key)
    structural: list[Command] = []
    for step in ordered:
        if isinstance(layout.nodes[step.step_id].step, IterationStep):
            if step.status is StepStatus.PENDING and view.inputs_ready(step):
                structural.append(ExpandIteration(path=step.path))
            elif step.status is StepStatus.RUNNING and not view.has_unfinished_inside(step.path):
                structural.append(CompleteIteration(path=step.path))
    if structural:
        return structural
    return [StartStep(path=step.path) for step in ordered if view.may_start(step)]


def execution_status(layout: Layout, steps: Sequence[StepState]) -> ExecutionStatus:
    """Return the status of an execution whose unfinished steps are ``steps``, once nothing structural is left to do."""
    statuses = Counter(step.status for step in steps)
    if any(step.is_in_flight for step in steps):
        return ExecutionStatus.RUNNING
    if statuses[StepStatus.FAILED]:
        return ExecutionStatus.FAILED
    if not steps:
        return ExecutionStatus.COMPLETED
    if any(_is_trying(layout, step) for step in steps) or plan(layout, steps):
        return ExecutionStatus.RUNNING
    if statuses[StepStatus.WAITING_CLARIFICATION]:
        return ExecutionStatus.WAITING_CLARIFICATION
    if statuses[StepStatus.WAITING_ACCEPTANCE]:
        return ExecutionStatus.WAITING_ACCEPTANCE
    return ExecutionStatus.FAILED  # nothing can ever happen: a defect, and it must be seen


def _is_trying(layout: Layout, step: StepState) -> bool:
    """A production step that is running waits for a model or for its next try, not for a person."""
    return step.status is StepStatus.RUNNING and not isinstance(layout.nodes[step.step_id].step, IterationStep)


class _View:
    """The unfinished steps, indexed for the questions that :func:`plan` asks."""

    def __init__(self, layout: Layout, steps: Sequence[StepState]) -> None:
        self.layout = layout
        self.by_path: Mapping[str, StepState] = {step.path: step for step in steps}
        self.unfinished_inside: set[str] = set()
        self.busy_items: dict[str, set[str]] = {}
        for step in steps:
            ancestors = list(_iterations_around(layout.nodes[step.step_id], step.item_ids))
            self.unfinished_inside.update(path for path, _ in ancestors)
            if _is_trying(layout, step):
                self.note_busy(ancestors)

    def note_busy(self, ancestors: Iterable[tuple[str, str]]) -> None:
        for path, item in ancestors:
            self.busy_items.setdefault(path, set()).add(item)

    def has_unfinished_inside(self, path: str) -> bool:
        return path in self.unfinished_inside

    def inputs_ready(self, step: StepState) -> bool:
        return all(self.is_done(node, step.item_ids) for node in self.layout.dependencies[step.step_id])

    def is_done(self, node: Node, item_ids: tuple[str, ...]) -> bool:
        """Whether the instance of ``node`` that serves the scope of ``item_ids`` is finished."""
        if node.path(item_ids) in self.by_path:
            return False
        for path, _ in _iterations_around(node, item_ids):
            outer = self.by_path.get(path)
            if outer is not None and outer.status is StepStatus.PENDING:
                return False  # not expanded yet: the instance does not exist
        return True

    def may_start(self, step: StepState) -> bool:
        """Whether the step may be tried now; if so it takes its places in the iterations around it."""
        node = self.layout.nodes[step.step_id]
        if isinstance(node.step, IterationStep) or step.is_in_flight:
            return False
        ancestors = list(_iterations_around(node, step.item_ids))
        if step.status is StepStatus.RUNNING:
            return step.is_due
        if step.status is not StepStatus.PENDING or not step.is_due:
            return False
        if not self.inputs_ready(step) or not self.has_place(ancestors):
            return False
        self.note_busy(ancestors)
        return True

    def has_place(self, ancestors: Iterable[tuple[str, str]]) -> bool:
        for path, item in ancestors:
            outer = self.by_path.get(path)
            limit = self._limit(outer) if outer is not None else None
            busy = self.busy_items.get(path, set())
            if limit is not None and item not in busy and len(busy) >= limit:
                return False
        return True

    def _limit(self, outer: StepState) -> int | None:
        step = self.layout.nodes[outer.step_id].step
        return step.max_parallel if isinstance(step, IterationStep) else None


def _iterations_around(node: Node, item_ids: tuple[str, ...]) -> Iterable[tuple[str, str]]:
    """Yield (path of the iteration instance, item id) of each iteration around an instance of ``node``."""
    for depth, (name, item) in enumerate(zip(node.chain, item_ids, strict=False)):
        yield instance_path(node.chain[:depth], item_ids[:depth], name), item
