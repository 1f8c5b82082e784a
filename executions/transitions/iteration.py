"""Iterations: their inner steps are made when their collection is there, and they end when all of those have."""

from __future__ import annotations

from collections.abc import Sequence

from documents import database
from executions.engine.layout import Layout, Node, instance_path, scope_id
from executions.engine.plan import CompleteIteration, ExpandIteration
from executions.engine.state import ErrorCode, StepStatus
from executions.models import EventType
from executions.transitions.inputs import items_of
from executions.transitions.rows import StepRow
from executions.transitions.unit import Unit
from workflows.definition import IterationStep, Step

_COLLECTION = """
SELECT content FROM documents_document
 WHERE execution_id = %s AND document_type = %s AND scope_id = %s AND status IN ('final', 'accepted')
 ORDER BY version DESC LIMIT 1
"""


def carry_out_structure(unit: Unit) -> None:
    """Expand and complete iterations until there is nothing structural left to do."""
    while True:
        commands = unit.plan()
        structural = [command for command in commands if isinstance(command, ExpandIteration | CompleteIteration)]
        if not structural:
            return
        for command in structural:
            step = unit.steps[command.path]
            if isinstance(command, ExpandIteration):
                _expand(unit, step)
            else:
                unit.move_step(step, StepStatus.COMPLETED)
                unit.event(EventType.STEP_COMPLETED, {"document_id": None}, step)
            if unit.is_draining:
                return


def first_steps(layout: Layout, project_id: str) -> list[StepRow]:
    """Return the rows that an execution begins with: its root steps."""
    root = layout.definition.root_scope
    return [_new_row(layout.nodes[step.step_id], project_id, root, (), "") for step in layout.definition.steps]


def _expand(unit: Unit, step: StepRow) -> None:
    iteration = unit.layout.nodes[step.step_id].step
    assert isinstance(iteration, IterationStep)
    item_ids = _item_ids(unit, step, iteration)
    unit.move_step(step, StepStatus.RUNNING)
    if item_ids is None:
        return unit.fail_step(
            step,
            ErrorCode.INPUT_MISSING,
            f"The iteration needs a document of type {iteration.doc_type}, and this execution has none.",
        )
    if len(item_ids) > iteration.max_items:
        return unit.fail_step(
            step,
            ErrorCode.COLLECTION_TOO_LARGE,
            f"The collection {iteration.collection_field} of {iteration.doc_type} has {len(item_ids)} items, and"
            f" max_items of this iteration is {iteration.max_items}. Nothing was started.",
        )
    step.total_items = len(item_ids)
    unit.event(EventType.ITERATION_EXPANDED, {"total": len(item_ids), "items": item_ids}, step)
    unit.insert_steps(_inner_rows(unit, step, iteration, item_ids))
    return None


def _item_ids(unit: Unit, step: StepRow, iteration: IterationStep) -> list[str] | None:
    found = database.rows(
        _COLLECTION,
        (unit.execution.id, iteration.doc_type, scope_id(unit.execution.project_id, step.item_ids)),
    )
    if not found:
        return None
    return [item.item_id for item in items_of(found[0][0], iteration, unit.layout.definition)]


def _inner_rows(unit: Unit, step: StepRow, iteration: IterationStep, item_ids: Sequence[str]) -> list[StepRow]:
    layout, project = unit.layout, unit.execution.project_id
    rows = []
    for number, item in enumerate(item_ids):
        inside = (*step.item_ids, item)
        prefix = f"{step.sort_key}.{number:05d}"
        for inner in iteration.steps:
            rows.append(_new_row(layout.nodes[inner.step_id], project, iteration.scope, inside, prefix))
    return rows


def _new_row(node: Node, project_id: str, scope: str, item_ids: Sequence[str], prefix: str) -> StepRow:
    step: Step = node.step
    return StepRow(
        id=0,
        path=instance_path(node.chain, item_ids, step.step_id),
        step_id=step.step_id,
        is_iteration=isinstance(step, IterationStep),
        scope_type=scope,
        scope_id=scope_id(project_id, item_ids),
        sort_key=f"{prefix}.{node.index:03d}" if prefix else f"{node.index:03d}",
        status=StepStatus.PENDING,
    )
