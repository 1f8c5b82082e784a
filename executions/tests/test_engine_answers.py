"""What goes wrong with an answer: findings, corrections, and what never becomes a document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from documents.models import Document
from executions.llm import errors as llm
from executions.llm.errors import LLMError
from executions.llm.values import ModelResponse
from executions.models import Attempt, Execution, LLMCall
from executions.runner import read_answer
from executions.services import work
from executions.services.executions import retry_execution
from executions.tests.engine_cast import events, history, person, start, status
from executions.tests.engine_definitions import chain, single
from executions.tests.pretend_worker import (
    Answer,
    PretendWorker,
    Reply,
    Scripted,
    document,
    drive,
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


def test_the_model_gets_its_output_the_findings_and_the_inputs_again() -> None:
    execution = start(chain(2))
    script = Scripted(s1=document(title="The input"), s2=[document(title="", extra=1), document(title="Good")])
    claims = drive(execution, script)
    told = prompt(claims[2])
    for text in ('{"title": "", "extra": 1}', "minLength", "/title", "additionalProperties", "The input"):
        assert text in told
    roles = [message["role"] for message in claims[2].request.messages]
    assert roles == ["user", "assistant", "user"]
    (retrying,) = events(execution, "step_retrying")
    assert (retrying["attempt"], retrying["reason"]) == (2, "output_invalid")
    assert {finding["code"] for finding in retrying["findings"]} == {"minLength", "additionalProperties"}
    assert status(execution) == "completed"


def test_after_three_invalid_outputs_the_run_fails_with_the_findings() -> None:
    execution = failed([Answer(text="no"), document(bad=1), document(bad=2), document(title="too late")])
    assert execution.error_code == "OUTPUT_INVALID"
    assert "title" in execution.error_detail
    attempts = Attempt.objects.filter(execution=execution).order_by("n")
    assert [(row.n, row.content_attempt, row.status) for row in attempts] == [
        (1, 1, "failed"),
        (2, 2, "failed"),
        (3, 3, "failed"),
    ]
    assert all(row.findings for row in attempts)
    assert not Document.objects.exists()
    assert history(execution)[-2:] == ["step_failed note", "execution_failed"]
    assert events(execution, "execution_failed") == events(execution, "step_failed")


def test_a_step_may_have_its_own_number_of_attempts() -> None:
    execution = failed([document(bad=1), document(bad=2)], max_attempts=1)
    assert LLMCall.objects.filter(execution=execution).count() == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "a\\u0000b"}',
        '{"title": "\\ud800"}',
        '{"title": "x", "text": NaN}',
        '{"title": "x", "text": 1e999}',
        '{"title": "x", "title": "y"}',
        "[" * 100_000,
        "",
        "null",
        "[]",
        "A document.",
        '{"title": "cut',
        '{"a\\u0000": 1, "a\\u0000": 2}',
        '{"\\ud800": 1, "\\ud800": 2}',
        '{"title": "x", "\\udc00\\u0000": 1}',
        '{"schema_version": "clarification_question_set.v1", "mode": "\\u0000", "questions": [{"id": "\\ud800"}]}',
        "no JSON \x00 \ud800",
        '{"title": 1' + "0" * 500 + "}",
    ],
)
def test_what_cannot_be_a_document_is_a_finding_and_no_crash(text: str) -> None:
    execution = start(single())
    claims = drive(execution, Scripted(note=[Answer(text=text), document(title="Good")]))
    assert len(claims) == 2
    (retrying,) = events(execution, "step_retrying")
    assert retrying["findings"]
    assert status(execution) == "completed"


def test_whatever_else_a_provider_says_can_be_kept() -> None:
    execution, worker = start(single()), PretendWorker()
    (claim,) = worker.claim(execution)
    odd = "odd \x00 \ud800 " + "x" * 1000
    response = ModelResponse(
        text='{"title": "Good"}',
        stop_reason="end_turn",
        usage={"input_tokens": 10**30, "output_tokens": 5, "service_tier": odd, "\x00": [odd], "ratio": float("nan")},
        model=odd,
        message_id=odd,
        request_id=odd,
        latency_ms=1,
        ttft_ms=1,
    )
    work.book_response(claim, response)
    outcome = read_answer(claim, response.text, response.stop_reason, model=response.model, is_offline=False)
    worker.record(claim, outcome)
    assert status(execution) == "completed"
    call = LLMCall.objects.get()
    assert (call.status, call.output_tokens) == ("succeeded", 5)
    assert Document.objects.get().created_by.startswith("odd")


@pytest.mark.parametrize("kind", [llm.BadRequest, llm.Overloaded, llm.QuotaExhausted])
def test_the_words_of_an_error_can_be_kept_whatever_they_are(kind: type[LLMError]) -> None:
    execution = start(single())
    progress = sent_progress(message_id="\x00\ud800" + "x" * 500, request_id="\x00", text_chars=10**11)
    drive(execution, Scripted(note=kind("it said \x00 and \ud800", progress=progress)))
    assert Attempt.objects.get().status == "failed"
    assert LLMCall.objects.get().status == "failed"


def test_a_lone_surrogate_or_nul_in_the_raw_text_is_kept_in_the_ledger() -> None:
    execution = start(single())
    text = 'oh \x00 no \ud800 {"title": 1}'
    drive(execution, Scripted(note=[Answer(text=text), document(title="Good")]))
    call = LLMCall.objects.filter(execution=execution).order_by("started_at").first()
    assert call is not None
    assert json.loads(call.response_text) == text
    assert status(execution) == "completed"


def test_an_answer_cut_off_at_max_tokens_is_retried_once_with_more_room() -> None:
    execution = start(single(max_tokens=1000))
    cut = Answer(text='{"title": "cu', stop_reason="max_tokens")
    claims = drive(execution, Scripted(note=[cut, document(title="Whole")]))
    assert [claim.request.max_tokens for claim in claims] == [1000, 2000]
    assert status(execution) == "completed"


def test_an_answer_cut_off_twice_fails_the_run() -> None:
    cut = Answer(text='{"title": "cu', stop_reason="max_tokens")
    execution = failed([cut, cut, document(title="too late")], max_tokens=1000)
    assert execution.error_code == "OUTPUT_TRUNCATED"
    assert LLMCall.objects.filter(execution=execution).count() == 2


def test_a_refusal_is_not_retried() -> None:
    execution = failed(Answer(text="I will not.", stop_reason="refusal"))
    assert execution.error_code == "MODEL_REFUSED"
    assert LLMCall.objects.get(execution=execution).stop_reason == "refusal"
