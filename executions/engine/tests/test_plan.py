"""The planner, by tables: what may start, when."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from executions.engine.layout import Layout
from executions.engine.plan import (
    CompleteIteration,
    ExpandIteration,
    StartStep,
    StepState,
    execution_status,
    plan,
)
from executions.engine.state import (
    EXECUTION_TRANSITIONS,
    FINAL,
    STEP_TRANSITIONS,
    ExecutionStatus,
    StepStatus,
)
from workflows.definition import (
    Definition,
    DocumentType,
    EntityType,
    InputRef,
    IterationStep,
    ProductionStep,
    Scope,
    Step,
)

PENDING, RUNNING = StepStatus.PENDING, StepStatus.RUNNING


def production(step_id: str, scope: str = "project", inputs: tuple[InputRef, ...] = ()) -> ProductionStep:
    return ProductionStep(
        step_id=step_id,
        name=step_id,
        role="role",
        role_prompt="",
        task="task",
        task_prompt="",
        produces=step_id,
        scope=scope,
        inputs=inputs,
    )


def iteration(step_id: str, over: str, steps: tuple[Step, ...], scope: str = "epic", **keys: Any) -> IterationStep:
    return IterationStep(
        step_id=step_id,
        name=step_id,
        doc_type=over,
        collection_field="items",
        entity_type=scope,
        scope=scope,
        steps=steps,
        **keys,
    )


def layout(*steps: Step) -> Layout:
    definition = Definition(
        workflow_id="w",
        name="w",
        revision="1",
        format="workflow.v1",
        scopes={
            "project": Scope(name="project", parent=None),
            "epic": Scope(name="epic", parent="project"),
            "story": Scope(name="story", parent="epic"),
        },
        document_types={},
        entity_types={"epic": EntityType(type_id="epic", name="e", parent_doc_type="b", creates_scope="epic")},
        steps=steps,
    )
    return Layout(
        Definition(
            **{
                **{name: getattr(definition, name) for name in definition.__dataclass_fields__},
                "document_types": {
                    step.produces: DocumentType(type_id=step.produces, name=step.produces, scope=step.scope)
                    for step in definition.walk()
                    if isinstance(step, ProductionStep)
                },
            }
        )
    )


def state(path: str, status: StepStatus = PENDING, *items: str, **keys: Any) -> StepState:
    step_id = path.rpartition(".")[2]
    return StepState(path=path, step_id=step_id, item_ids=items, sort_key=keys.pop("key", path), status=status, **keys)


def needs(*doc_types: str, scope: str = "project", required: bool = True) -> tuple[InputRef, ...]:
    return tuple(InputRef(doc_type=name, scope=scope, required=required) for name in doc_types)


CHAIN = layout(production("a"), production("b", inputs=needs("a")), production("c", inputs=needs("a", "b")))
NESTED = layout(
    production("backlog"),
    iteration(
        "per_epic",
        "backlog",
        (
            production("stories", "epic"),
            iteration("per_story", "stories", (production("plan", "story"),), scope="story"),
        ),
    ),
)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([state("a"), state("b"), state("c")], [StartStep(path="a")], id="the first step of a chain"),
        pytest.param([state("b"), state("c")], [StartStep(path="b")], id="a finished step is not among the unfinished"),
        pytest.param([state("a", RUNNING, is_in_flight=True), state("b")], [], id="nothing while its input is made"),
        pytest.param([state("a", RUNNING), state("b")], [StartStep(path="a")], id="a step to be tried again"),
        pytest.param([state("a", RUNNING, is_due=False), state("b")], [], id="not before it is due"),
        pytest.param(
            [state("a", StepStatus.WAITING_ACCEPTANCE), state("b")], [], id="not before its input is accepted"
        ),
        pytest.param([state("b", StepStatus.FAILED), state("c")], [], id="nothing starts after a failure"),
    ],
)
def test_chain(steps: list[StepState], expected: list[StartStep]) -> None:
    assert plan(CHAIN, steps) == expected


def test_branches_start_together_in_file_order() -> None:
    fork = layout(production("a"), production("y", inputs=needs("a")), production("x", inputs=needs("a")))
    steps = [state("x", key="002"), state("y", key="001")]
    assert plan(fork, steps) == [StartStep(path="y"), StartStep(path="x")]


def test_an_optional_input_of_a_later_step_is_not_waited_for() -> None:
    odd = layout(production("a", inputs=needs("b", required=False)), production("b"))
    assert plan(odd, [state("a"), state("b")]) == [StartStep(path="a"), StartStep(path="b")]


def test_an_optional_input_of_an_earlier_step_is_waited_for() -> None:
    usual = layout(production("a"), production("b", inputs=needs("a", required=False)))
    assert plan(usual, [state("a"), state("b")]) == [StartStep(path="a")]


def test_an_iteration_is_expanded_when_its_collection_is_there() -> None:
    assert plan(NESTED, [state("backlog", RUNNING, is_in_flight=True), state("per_epic")]) == []
    assert plan(NESTED, [state("per_epic")]) == [ExpandIteration(path="per_epic")]


def test_items_run_in_parallel_and_inner_iterations_wait_for_their_own_collection() -> None:
    steps = [
        state("per_epic", RUNNING),
        state("per_epic[E1].stories", PENDING, "E1"),
        state("per_epic[E1].per_story", PENDING, "E1"),
        state("per_epic[E2].per_story", PENDING, "E2"),
    ]
    assert plan(NESTED, steps) == [ExpandIteration(path="per_epic[E2].per_story")]
    steps[3] = state("per_epic[E2].per_story", RUNNING, "E2")
    steps.append(state("per_epic[E2].per_story[S1].plan", PENDING, "E2", "S1"))
    assert plan(NESTED, steps) == [
        StartStep(path="per_epic[E1].stories"),
        StartStep(path="per_epic[E2].per_story[S1].plan"),
    ]


def test_an_iteration_ends_when_nothing_inside_is_unfinished() -> None:
    steps = [state("per_epic", RUNNING), state("per_epic[E1].per_story", RUNNING, "E1")]
    assert plan(NESTED, steps) == [CompleteIteration(path="per_epic[E1].per_story")]
    assert plan(NESTED, [state("per_epic", RUNNING)]) == [CompleteIteration(path="per_epic")]


def test_max_parallel_bounds_the_items_at_work_but_not_the_steps_of_one_item() -> None:
    bounded = layout(
        production("backlog"),
        iteration("each", "backlog", (production("x", "epic"), production("y", "epic")), max_parallel=1),
    )
    steps = [
        state("each", RUNNING),
        *(state(f"each[{item}].{name}", PENDING, item) for item in ("E1", "E2") for name in ("x", "y")),
    ]
    assert plan(bounded, steps) == [StartStep(path="each[E1].x"), StartStep(path="each[E1].y")]


def test_an_item_that_waits_for_people_leaves_its_place_to_others() -> None:
    bounded = layout(production("backlog"), iteration("each", "backlog", (production("x", "epic"),), max_parallel=1))
    steps = [
        state("each", RUNNING),
        state("each[E1].x", StepStatus.WAITING_ACCEPTANCE, "E1"),
        state("each[E2].x", PENDING, "E2"),
        state("each[E3].x", PENDING, "E3"),
    ]
    assert plan(bounded, steps) == [StartStep(path="each[E2].x")]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([], ExecutionStatus.COMPLETED, id="nothing unfinished"),
        pytest.param([state("a", RUNNING, is_in_flight=True)], ExecutionStatus.RUNNING, id="a call in flight"),
        pytest.param([state("a", RUNNING, is_due=False)], ExecutionStatus.RUNNING, id="a try to come"),
        pytest.param([state("a")], ExecutionStatus.RUNNING, id="something may start"),
        pytest.param(
            [state("a", StepStatus.WAITING_ACCEPTANCE), state("b")],
            ExecutionStatus.WAITING_ACCEPTANCE,
            id="only a person can go on",
        ),
        pytest.param(
            [state("b", StepStatus.WAITING_ACCEPTANCE), state("c", StepStatus.WAITING_CLARIFICATION)],
            ExecutionStatus.WAITING_CLARIFICATION,
            id="clarification first",
        ),
        pytest.param(
            [state("b", StepStatus.FAILED), state("c", RUNNING, is_in_flight=True)],
            ExecutionStatus.RUNNING,
            id="a failed branch, another still in flight",
        ),
        pytest.param(
            [state("b", StepStatus.FAILED), state("c", StepStatus.WAITING_ACCEPTANCE)],
            ExecutionStatus.FAILED,
            id="a failed branch and an open gate",
        ),
    ],
)
def test_execution_status(steps: list[StepState], expected: ExecutionStatus) -> None:
    assert execution_status(CHAIN, steps) is expected


def test_final_statuses_are_never_left_and_failed_only_by_a_retry() -> None:
    assert all(not EXECUTION_TRANSITIONS[status] for status in FINAL)
    assert ExecutionStatus.COMPLETED not in EXECUTION_TRANSITIONS[ExecutionStatus.FAILED]
    assert set(EXECUTION_TRANSITIONS) == set(ExecutionStatus)
    assert set(STEP_TRANSITIONS) == set(StepStatus)


def test_the_planner_does_not_load_django() -> None:
    code = "import executions.engine.plan, sys; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
