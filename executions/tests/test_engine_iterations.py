"""Iterations at their edges: no items, wrong items, too many, and how many run at a time."""

from __future__ import annotations

from typing import Any

import pytest

from executions.models import Execution, LLMCall, Step
from executions.services.executions import retry_execution
from executions.tests.engine_cast import events, history, person, start, status
from executions.tests.engine_definitions import collection, epics, iteration, note, step, stories, workflow
from executions.tests.pretend_worker import Answer, PretendWorker, Scripted, backlog, document, drive, prompt

pytestmark = pytest.mark.usefixtures("promises_kept")


def test_an_iteration_over_nothing_is_complete_at_once() -> None:
    execution = start(epics())
    claims = drive(execution, Scripted(backlog=backlog()))
    assert status(execution) == "completed"
    assert [claim.path for claim in claims] == ["backlog", "summary"]
    assert history(execution)[3:7] == [
        "step_completed backlog",
        "iteration_expanded per_epic",
        "step_completed per_epic",
        "step_started summary",
    ]
    assert events(execution, "iteration_expanded") == [{"total": 0, "items": []}]


def test_a_run_of_empty_iterations_only_ends_without_a_call() -> None:
    value = workflow(
        {"backlog": collection(), "plan": note("epic")},
        iteration("per_epic", "backlog", step("plan", "backlog@project", scope="epic")),
    )
    value["steps"].insert(0, step("backlog"))
    execution = start(value)
    drive(execution, Scripted(backlog=backlog()))
    assert status(execution) == "completed"


def test_an_iteration_inside_one_without_items_is_complete_too() -> None:
    execution = start(stories())
    drive(execution, Scripted(backlog=backlog("E1", "E2"), stories=[backlog(), backlog("S1")]))
    assert status(execution) == "completed"
    assert Step.objects.filter(execution=execution, step_id="plan").count() == 1


@pytest.mark.parametrize(
    ("items", "code", "path"),
    [
        ([{"id": "E1"}, {"id": "E1"}], "DUPLICATE_ITEM_ID", "/items/1"),
        ([{"id": 1}, {"id": "1"}], "DUPLICATE_ITEM_ID", "/items/1"),
        ([{"id": "a b"}], "ITEM_ID", "/items/0"),
        ([{"id": "a[0]"}], "ITEM_ID", "/items/0"),
        ([{"id": "a:b"}], "ITEM_ID", "/items/0"),
        ([{"id": ""}], "ITEM_ID", "/items/0"),
        ([{"id": "x" * 65}], "ITEM_ID", "/items/0"),
        ([{"name": "no id"}], "anyOf", "/items/0"),
        (["E1"], "type", "/items/0"),
        ({"E1": {}}, "type", "/items"),
        (None, "type", "/items"),
    ],
)
def test_a_collection_that_cannot_be_iterated_over_is_invalid_output(items: Any, code: str, path: str) -> None:
    execution = start(epics())
    claims = drive(execution, Scripted(backlog=[document(items=items), backlog("E1")]))
    (retrying,) = events(execution, "step_retrying")
    assert (code, path) in [(finding["code"], finding["path"]) for finding in retrying["findings"]]
    assert code in prompt(claims[1])
    assert status(execution) == "completed"


def test_item_ids_may_be_numbers_or_stand_under_the_name_of_the_entity() -> None:
    execution = start(epics())
    drive(execution, Scripted(backlog=document(items=[{"id": 7}, {"epic_id": "E-2.b"}])))
    assert status(execution) == "completed"
    assert events(execution, "iteration_expanded")[0]["items"] == ["7", "E-2.b"]


def test_too_many_items_fail_before_any_inner_call() -> None:
    execution = start(epics(max_items=2))
    drive(execution, Scripted(backlog=backlog("E1", "E2", "E3")))
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "COLLECTION_TOO_LARGE")
    assert "3 items" in execution.error_detail
    assert LLMCall.objects.filter(execution=execution).count() == 1
    assert history(execution)[-3:] == ["step_completed backlog", "step_failed per_epic", "execution_failed"]


def test_a_collection_too_large_fails_again_after_a_retry_and_costs_nothing() -> None:
    execution = start(epics(max_items=1))
    drive(execution, Scripted(backlog=backlog("E1", "E2")))
    retry_execution(actor=person("olga"), execution_id=execution.pk)
    drive(execution)
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "COLLECTION_TOO_LARGE")
    assert LLMCall.objects.filter(execution=execution).count() == 1


def begin(execution: Execution, script: Scripted) -> tuple[PretendWorker, list[Any]]:
    """Run the first step and return what follows it."""
    worker = PretendWorker()
    (first,) = worker.claim(execution)
    following = worker.finish(first, script(first))
    assert following is not None
    return worker, following


def test_at_most_max_parallel_items_are_worked_on_at_a_time() -> None:
    execution = start(epics(max_parallel=2))
    script = Scripted(backlog=backlog("E1", "E2", "E3", "E4"))
    worker, following = begin(execution, script)
    assert [claim.path for claim in following] == ["per_epic[E1].plan", "per_epic[E2].plan", "summary"]
    assert worker.claim(execution) == []
    (third,) = worker.finish(following[1], script(following[1])) or []
    assert third.path == "per_epic[E3].plan"
    assert worker.finish(following[2], script(following[2])) == []
    (fourth,) = worker.finish(following[0], script(following[0])) or []
    assert fourth.path == "per_epic[E4].plan"
    assert worker.finish(fourth, script(fourth)) == []
    worker.finish(third, script(third))
    assert status(execution) == "completed"


def test_steps_of_one_item_take_one_place() -> None:
    types = {"backlog": collection(), "a": note("epic"), "b": note("epic")}
    inner = (step("a", "backlog@project", scope="epic"), step("b", "backlog@project", scope="epic"))
    execution = start(workflow(types, step("backlog"), iteration("per_epic", "backlog", *inner, max_parallel=1)))
    script = Scripted(backlog=backlog("E1", "E2"))
    worker, following = begin(execution, script)
    assert [claim.path for claim in following] == ["per_epic[E1].a", "per_epic[E1].b"]
    assert worker.finish(following[0], script(following[0])) == []
    next_item = worker.finish(following[1], script(following[1])) or []
    assert [claim.path for claim in next_item] == ["per_epic[E2].a", "per_epic[E2].b"]
    for claim in next_item:
        worker.finish(claim, script(claim))
    assert status(execution) == "completed"


def test_max_parallel_holds_in_nested_iterations() -> None:
    execution = start(stories(max_parallel=1))
    script = Scripted(backlog=backlog("E1", "E2"), stories=[backlog("S1", "S2"), backlog("S1")])
    worker, waiting = begin(execution, script)
    order = []
    while waiting:
        assert len(waiting) == 1
        claim = waiting.pop()
        order.append(claim.path)
        waiting = worker.finish(claim, script(claim)) or []
    assert status(execution) == "completed"
    assert order[0] == "per_epic[E1].stories"
    assert len(order) == 5


def test_an_item_that_waits_for_its_next_try_keeps_its_place() -> None:
    execution = start(epics(max_parallel=1))
    script = Scripted(backlog=backlog("E1", "E2"), plan=[Answer(text="no JSON")])
    worker, following = begin(execution, script)
    plan = next(claim for claim in following if claim.path == "per_epic[E1].plan")
    again = worker.finish(plan, script(plan)) or []
    assert [claim.path for claim in again] == ["per_epic[E1].plan"]
    worker.finish(again[0], script(again[0]))
    drive(execution)
    assert Step.objects.filter(execution=execution, step_id="plan", status="completed").count() >= 1


def test_a_hundred_items_run() -> None:
    execution = start(epics())
    drive(execution, Scripted(backlog=backlog(*[f"E{n}" for n in range(100)])))
    assert status(execution) == "completed"
    order = [path for path in history(execution) if path.startswith("step_started per_epic")]
    assert order == [f"step_started per_epic[E{n}].plan" for n in range(100)]
