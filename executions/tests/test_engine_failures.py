"""What goes wrong with the provider, and how a failed run goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from documents.models import Document
from executions.exceptions import InvalidState, NotPermitted
from executions.llm import errors as llm
from executions.llm.errors import LLMError
from executions.models import Execution, Gate, LLMCall, Step
from executions.services.executions import retry_execution
from executions.tests.engine_cast import decide, events, open_gate, person, start, status
from executions.tests.engine_definitions import fork, note, single, step, workflow
from executions.tests.pretend_worker import (
    Answer,
    PretendWorker,
    Reply,
    Scripted,
    document,
    drive,
    let_time_pass,
    prompt,
    sent_progress,
)

pytestmark = pytest.mark.usefixtures("promises_kept")


def retry(execution: Execution, **keys: Any) -> None:
    retry_execution(actor=person("olga"), execution_id=execution.pk, **keys)


def failed(reply: Reply | list[Reply], **options: Any) -> Execution:
    """Return the failed run of one step that was answered like that."""
    execution = start(single(**options))
    drive(execution, Scripted(note=reply))
    execution.refresh_from_db()
    assert execution.status == "failed"
    return execution


# What the provider did


def test_provider_errors_have_a_budget_of_their_own() -> None:
    execution = start(single())
    script = Scripted(note=[document(bad=1), document(bad=2), *[llm.Overloaded("busy")] * 6, document(title="Good")])
    claims = drive(execution, script)
    for _ in range(6):
        assert status(execution) == "running"
        assert drive(execution, script) == [], "not before it is due"
        assert let_time_pass(execution) == 1
        claims += drive(execution, script)
    assert status(execution) == "completed"
    assert len(claims) == 9
    assert Step.objects.get(execution=execution).attempt == 3
    reasons = [row["reason"] for row in events(execution, "step_retrying")]
    assert reasons == ["output_invalid"] * 2 + ["provider_error"] * 6
    assert all(set(row) == {"attempt", "reason", "findings"} for row in events(execution, "step_retrying"))
    (finding,) = events(execution, "step_retrying")[-1]["findings"]
    assert finding["code"] == "Overloaded"
    assert "tried again at" in finding["detail"]
    told = prompt(claims[-1])
    assert '{"bad": 2}' in told, "the correction is not lost over the provider's errors"


def test_a_provider_that_fails_for_long_fails_the_run() -> None:
    execution = start(single())
    script = Scripted(note=[llm.ProviderUnavailable("status 500") for _ in range(10)])
    drive(execution, script)
    while let_time_pass(execution):
        drive(execution, script)
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "PROVIDER_ERROR")
    assert LLMCall.objects.filter(execution=execution).count() == 7
    assert "after 7 tries" in execution.error_detail


def test_waits_grow_and_retry_after_is_honoured() -> None:
    execution = start(single())
    script = Scripted(note=[llm.Overloaded("busy"), llm.Overloaded("busy"), llm.RateLimited("slow", retry_after=120)])
    waits = []
    for _ in range(3):
        drive(execution, script)
        due_at = Step.objects.get(execution=execution).due_at
        assert due_at is not None
        waits.append((due_at - timezone.now()).total_seconds())
        with connection.cursor() as cursor:
            cursor.execute("SELECT max(scheduled_at) FROM procrastinate_jobs WHERE status = 'todo'")
            assert cursor.fetchone()[0] == due_at, "a timer wakes the run"
        let_time_pass(execution)
    assert 0.3 < waits[0] <= 1
    assert 0.8 < waits[1] <= 2
    assert 119 < waits[2] <= 133


def test_a_retry_after_of_years_waits_a_quarter_of_an_hour() -> None:
    execution = start(single())
    drive(execution, Scripted(note=llm.RateLimited("slow", retry_after=4_294_967.0)))
    due_at = Step.objects.get(execution=execution).due_at
    assert due_at is not None
    assert due_at - timezone.now() < timedelta(minutes=17)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (llm.AuthFailed("the key is refused"), "PROVIDER_AUTH"),
        (llm.QuotaExhausted("spend limit"), "PROVIDER_QUOTA"),
        (llm.BadRequest("no such model"), "PROVIDER_ERROR"),
        (llm.ProtocolError("a tool call"), "PROVIDER_ERROR"),
        (llm.OutputTooLarge("3 MB", progress=sent_progress(text_chars=3_000_000)), "OUTPUT_TOO_LARGE"),
    ],
)
def test_errors_that_no_retry_mends_fail_at_once(error: LLMError, code: str) -> None:
    execution = failed(error)
    assert execution.error_code == code
    call = LLMCall.objects.get(execution=execution)
    assert (call.status, call.error_class) == ("failed", type(error).__name__)


def test_a_call_that_takes_too_long_every_time_fails_with_step_timeout() -> None:
    execution = start(single())
    script = Scripted(note=[llm.DeadlineExceeded("too long") for _ in range(10)])
    drive(execution, script)
    while let_time_pass(execution):
        drive(execution, script)
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "STEP_TIMEOUT")


def test_a_proxys_answer_is_tried_twice_more() -> None:
    execution = start(single())
    script = Scripted(note=[llm.ProxyGarbage("HTML") for _ in range(10)])
    drive(execution, script)
    while let_time_pass(execution):
        drive(execution, script)
    assert LLMCall.objects.filter(execution=execution).count() == 3


def test_what_a_broken_call_has_used_is_estimated_and_counted() -> None:
    execution = start(single())
    progress = sent_progress(usage={"input_tokens": 900, "output_tokens": 1}, text_chars=3500)
    drive(execution, Scripted(note=llm.Truncated("cut", progress=progress)))
    call = LLMCall.objects.get(execution=execution)
    assert (call.input_tokens, call.output_tokens, call.is_estimated) == (900, 1000, True)
    assert call.cost_usd
    execution.refresh_from_db()
    assert execution.cost_usd == call.cost_usd


def test_a_call_that_was_refused_before_any_token_costs_nothing() -> None:
    execution = failed(llm.AuthFailed("no", progress=sent_progress()))
    call = LLMCall.objects.get(execution=execution)
    assert call.cost_usd == 0
    assert not call.is_estimated


# Failing branches, and retries


def two_branches() -> tuple[Execution, PretendWorker, list[Any]]:
    """Return a run whose left and right branch are in flight."""
    execution, worker = start(fork()), PretendWorker()
    (first,) = worker.claim(execution)
    sides = worker.finish(first, Scripted()(first))
    assert sides is not None
    return execution, worker, sides


def test_when_a_branch_fails_what_is_in_flight_is_finished_and_nothing_new_starts() -> None:
    execution, worker, (left, right) = two_branches()
    assert worker.finish(left, Answer(text="no", stop_reason="refusal")) == []
    assert status(execution) == "running", "the right branch is in flight"
    assert worker.claim(execution) == []
    assert worker.finish(right, Scripted()(right)) == []
    execution.refresh_from_db()
    assert (execution.status, execution.error_code) == ("failed", "MODEL_REFUSED")
    assert Step.objects.get(execution=execution, path="right").status == "completed"
    assert Step.objects.get(execution=execution, path="end").status == "pending"


def test_a_retry_keeps_what_is_finished_and_repeats_no_call_of_it() -> None:
    execution, worker, (left, right) = two_branches()
    worker.finish(left, Answer(text="no", stop_reason="refusal"))
    worker.finish(right, Scripted()(right))
    retry(execution, reason="The policy was changed.")
    assert status(execution) == "running"
    claims = drive(execution)
    assert [claim.path for claim in claims] == ["left", "end"]
    assert "The policy was changed." in prompt(claims[0])
    assert "The policy was changed." not in prompt(claims[1])
    execution.refresh_from_db()
    assert (execution.status, execution.error_code, execution.error_detail) == ("completed", "", "")
    assert events(execution, "execution_retried") == [{"by": "olga", "reason": "The policy was changed."}]


def test_a_branch_that_is_invalid_while_the_run_fails_is_tried_again_after_the_retry() -> None:
    execution, worker, (left, right) = two_branches()
    worker.finish(left, Answer(text="no", stop_reason="refusal"))
    worker.finish(right, document(bad=1))
    assert status(execution) == "failed"
    assert Step.objects.get(execution=execution, path="right").status == "pending"
    retry(execution)
    claims = {claim.path: claim for claim in drive(execution)}
    assert '{"bad": 1}' in prompt(claims["right"])
    assert status(execution) == "completed"


def test_a_branch_whose_provider_fails_while_the_run_fails_does_not_keep_it_running() -> None:
    execution, worker, (left, right) = two_branches()
    worker.finish(left, Answer(text="no", stop_reason="refusal"))
    worker.finish(right, llm.Overloaded("busy"))
    assert status(execution) == "failed"
    retry(execution)
    drive(execution)
    assert status(execution) == "completed"


def test_open_gates_stay_but_take_no_decision_until_the_retry() -> None:
    types = {"one": note(accepted_by=("editor",)), "two": note(), "end": note()}
    execution = start(workflow(types, step("one"), step("two"), step("end", "one", "two")))
    drive(execution, Scripted(two=Answer(text="", stop_reason="refusal")))
    assert status(execution) == "failed"
    gate = open_gate(execution)
    with pytest.raises(InvalidState, match="Retry it first"):
        decide("ed", gate, "accept")
    retry(execution)
    assert status(execution) == "running"
    decide("ed", gate, "accept")
    drive(execution)
    assert status(execution) == "completed"
    assert Gate.objects.get(pk=gate.pk).status == "decided"


def test_a_retry_gives_fresh_attempts_and_counts_on() -> None:
    execution = failed([document(bad=n) for n in range(3)])
    retry(execution)
    drive(execution, Scripted(note=[document(bad=8), document(bad=9), document(title="Good")]))
    assert status(execution) == "completed"
    assert Step.objects.get(execution=execution).attempt == 6
    assert [row["attempt"] for row in events(execution, "step_started")] == [1, 4]
    assert LLMCall.objects.filter(execution=execution).count() == 6


def test_a_run_fails_and_is_retried_again_and_again() -> None:
    execution = failed(Answer(text="", stop_reason="refusal"))
    for _ in range(3):
        retry(execution)
        drive(execution, Scripted(note=Answer(text="", stop_reason="refusal")))
        assert status(execution) == "failed"
    retry(execution)
    drive(execution)
    assert status(execution) == "completed"
    assert Document.objects.get(execution_id=execution.pk).version == 1


@pytest.mark.parametrize("state", ["pending", "completed"])
def test_only_a_failed_run_is_retried(state: str) -> None:
    execution = start(single())
    if state == "completed":
        drive(execution)
    with pytest.raises(InvalidState, match=state):
        retry(execution)


@pytest.mark.parametrize("name", ["vic", "ed"])
def test_only_operators_retry(name: str) -> None:
    execution = failed(Answer(text="", stop_reason="refusal"))
    with pytest.raises(NotPermitted):
        retry_execution(actor=person(name), execution_id=execution.pk)


def test_the_first_error_is_the_runs() -> None:
    execution, worker, (left, right) = two_branches()
    worker.finish(left, Answer(text="no", stop_reason="refusal"))
    worker.finish(right, llm.AuthFailed("no"))
    execution.refresh_from_db()
    assert execution.error_code == "MODEL_REFUSED"
    assert [row["code"] for row in events(execution, "step_failed")] == ["MODEL_REFUSED", "PROVIDER_AUTH"]
    retry(execution)
    drive(execution)
    assert status(execution) == "completed"
