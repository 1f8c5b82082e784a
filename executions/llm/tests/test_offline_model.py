"""The offline model: through the real client, as a process of its own, and what it writes for which prompt."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from executions.llm.client import ModelClient
from executions.llm.offline.author import OfflineAuthor
from executions.llm.offline.samples import SampleLibrary
from executions.llm.parsing import DocumentOutput, QuestionSet, parse_output
from executions.llm.pricing import usage_counts
from executions.llm.prompt import build_request
from executions.llm.tests.builders import STORY_SCHEMA, doc_type, model_request, prompt_inputs, step
from executions.llm.tests.http_json import ask
from executions.llm.values import (
    AnsweredQuestion,
    CollectionRule,
    Correction,
    Feedback,
    InputItem,
    PromptInputs,
    ReviewComment,
)
from workflows.schemas import build_validator

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
RULE = CollectionRule(field="stories", id_keys=("id", "story_id"))
SAMPLE = {"title": "Stories of {{item.title}}", "summary": "{{epic.id}}", "stories": [{"id": "S1", "text": "Scan"}]}
SECOND = {"title": "Second: {{ item.title }}", "stories": []}
QUESTIONS = {
    "schema_version": "clarification_question_set.v1",
    "mode": "questions_only",
    "questions": [{"id": "WHO", "text": "Who will use it?"}],
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    samples = tmp_path / "shop" / "samples"
    samples.mkdir(parents=True)
    (samples / "story_backlog.json").write_text(json.dumps([SAMPLE, SECOND]))
    return tmp_path


def epic(name: str) -> InputItem:
    return InputItem(entity_type="epic", item_id=name, content={"id": name, "title": f"Epic {name}"})


def write(directory: Path, inputs: PromptInputs, **options: Any) -> Any:
    author = OfflineAuthor(SampleLibrary([directory]), **options)
    return json.loads(author.answer(build_request(inputs).to_api_kwargs()))


def test_a_written_sample_is_fitted_to_the_item(package: Path) -> None:
    document = write(package, prompt_inputs(items=(epic("E1"),)))
    assert document == {"title": "Stories of Epic E1", "summary": "E1", "stories": SAMPLE["stories"]}


def test_the_items_number_chooses_among_samples(package: Path) -> None:
    assert write(package, prompt_inputs(items=(epic("E2"),)))["title"] == "Second: Epic E2"
    assert write(package, prompt_inputs(items=(epic("E3"),)))["title"] == "Stories of Epic E3"


def test_a_package_may_be_named_itself(package: Path) -> None:
    assert write(package / "shop", prompt_inputs(items=(epic("E1"),)))["title"] == "Stories of Epic E1"


def test_a_sample_that_does_not_fit_the_schema_is_not_used(package: Path) -> None:
    schema = {"type": "object", "properties": {"other": {"type": "integer"}}, "required": ["other"]}
    document = write(package, prompt_inputs(doc_type=doc_type(schema=schema, collection_field=None)))
    assert isinstance(document["other"], int)


def test_a_broken_sample_file_stops_nothing(package: Path) -> None:
    (package / "shop" / "samples" / "broken.json").write_text("{")
    assert write(package, prompt_inputs(items=(epic("E1"),)))["title"] == "Stories of Epic E1"


def test_another_workflow_gets_a_generated_document(tmp_path: Path) -> None:
    inputs = prompt_inputs(collection=RULE)
    output = parse_output(
        json.dumps(write(tmp_path, inputs)),
        doc_type=doc_type(),
        may_ask=True,
        validator=build_validator(STORY_SCHEMA),
        collection=RULE,
    )
    assert isinstance(output, DocumentOutput)
    assert len(output.content["stories"]) == 3
    assert write(tmp_path, inputs) == write(tmp_path, inputs)


def test_a_request_without_an_output_contract_is_answered_too(tmp_path: Path) -> None:
    author = OfflineAuthor(SampleLibrary([tmp_path]))
    assert "no output contract" in author.answer(model_request().to_api_kwargs())


def test_questions_come_first_until_they_are_answered(package: Path) -> None:
    (package / "shop" / "samples" / "story_backlog.questions.json").write_text(json.dumps(QUESTIONS))
    mine = AnsweredQuestion(question_id="WHO", text="Who?", answer=None, step_path=prompt_inputs().path)
    other = AnsweredQuestion(question_id="WHO", text="Who?", answer="x", step_path="discovery")
    silent = step(allow_clarification=False)
    assert write(package, prompt_inputs()) == QUESTIONS
    assert write(package, prompt_inputs(answers=(other,))) == QUESTIONS
    assert write(package, prompt_inputs(answers=(mine,)))["title"] == "Stories of "
    assert write(package, prompt_inputs(step=silent))["title"] == "Stories of "
    assert write(package, prompt_inputs(), asks_questions=False)["title"] == "Stories of "


@pytest.mark.parametrize(
    ("comments", "comment", "place"),
    [
        ((ReviewComment(path="/stories/0/text", text="Say how."),), "", ("stories", 0, "text")),
        ((ReviewComment(path="/stories/0", text="Say how."),), "", ("stories", 0, "text")),
        ((ReviewComment(path="/nowhere/7", text="Say how."),), "", ("summary",)),
        ((), "Say how.", ("summary",)),
    ],
)
def test_a_review_changes_the_document_where_it_points(
    package: Path, comments: tuple[ReviewComment, ...], comment: str, place: tuple[str | int, ...]
) -> None:
    previous = {"title": "T", "summary": "Old.", "stories": [{"id": "S1", "text": "Scan"}]}
    feedback = Feedback(
        kind="rework", comment=comment, comments=comments, previous_content=previous, previous_version=1
    )
    document = write(package, prompt_inputs(feedback=feedback))
    found = document
    for key in place:
        found = found[key]
    assert "Revised after review: Say how." in found
    assert build_validator(STORY_SCHEMA).problems(document) == []


def test_a_review_changes_even_a_document_without_room(package: Path) -> None:
    previous = {"title": "T" * 80, "summary": "s" * 400, "stories": []}
    feedback = Feedback(kind="rework", comment="x" * 1_000, previous_content=previous, previous_version=1)
    document = write(package, prompt_inputs(feedback=feedback))
    assert document != previous
    assert build_validator(STORY_SCHEMA).problems(document) == []


def test_a_correction_is_answered_with_a_document(package: Path) -> None:
    inputs = prompt_inputs(correction=Correction(output_text="{", findings=()), items=(epic("E1"),))
    assert write(package, inputs)["title"] == "Stories of Epic E1"


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/samples/*.json")), ids=lambda path: f"{path.parents[1].name}-{path.stem}"
)
def test_every_shipped_sample_is_used(path: Path) -> None:
    type_id = path.stem.removesuffix(".questions")
    schema = json.loads((path.parents[1] / "schemas" / f"{type_id}.json").read_text(encoding="utf-8"))
    may_ask = path.stem.endswith(".questions")
    kind = doc_type(type_id=type_id, schema=schema, collection_field=None)
    story = InputItem(entity_type="story", item_id="S1", content={"id": "S1", "title": "Scan", "as_a": "volunteer"})
    written = [
        write(
            path.parents[1],
            prompt_inputs(doc_type=kind, step=step(allow_clarification=may_ask), items=items),
        )
        for items in ((), (epic("E1"),), (epic("E1"), story))
    ]
    validator = build_validator(schema)
    outputs = [
        parse_output(json.dumps(value), doc_type=kind, may_ask=may_ask, validator=validator) for value in written
    ]
    samples = json.loads(path.read_text(encoding="utf-8"))
    if may_ask:
        assert all(isinstance(output, QuestionSet) for output in outputs)
        assert written == [samples] * 3
    else:
        first = samples[0] if isinstance(samples, list) else samples
        assert all(isinstance(output, DocumentOutput) for output in outputs)
        name, text = max(
            ((name, text) for name, text in first.items() if isinstance(text, str)), key=lambda each: len(each[1])
        )
        assert len(text) > 60
        assert any(text[-60:] in value[name] for value in written)


def free_port() -> int:
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OfflineProcess:
    """``python -m executions.llm.offline``, started and waited for."""

    def __init__(self, port: int, delay: float, packages: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        command = [
            sys.executable, "-m", "executions.llm.offline", "--port", str(port), "--delay", str(delay),
            "--packages", str(packages),
        ]  # fmt: skip
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "DJANGO_SETTINGS_MODULE": ""})
        deadline = time.monotonic() + 20
        while not self._is_up():
            assert time.monotonic() < deadline, "the offline model did not start"
            time.sleep(0.05)

    def _is_up(self) -> bool:
        try:
            return bool(ask(self.port, "/livez").body["model"] == "offline")
        except OSError:
            return False

    def stop(self, signal_number: int = signal.SIGTERM) -> float:
        """Stop it and return how many seconds that took."""
        started = time.monotonic()
        self.process.send_signal(signal_number)
        self.process.wait(10)
        return time.monotonic() - started


@pytest.fixture(scope="module")
def offline() -> Iterator[OfflineProcess]:
    server = OfflineProcess(free_port(), 0.0, EXAMPLES)
    yield server
    server.stop()


async def test_the_real_client_talks_to_it(offline: OfflineProcess) -> None:
    inputs = prompt_inputs(step=step(allow_clarification=False), collection=RULE)
    async with ModelClient(base_url=offline.url) as client:
        response = await client.complete(build_request(inputs))
    assert response.is_offline
    assert response.message_id.startswith("msg_offline_")
    assert response.request_id is not None
    assert response.request_id.startswith("req_offline_")
    assert response.stop_reason == "end_turn"
    assert response.usage["output_tokens"] == pytest.approx(len(response.text) / 4, abs=1)
    assert len(json.loads(response.text)["stories"]) == 3


async def test_a_prefix_is_written_to_the_cache_once_and_read_after_that(offline: OfflineProcess) -> None:
    role = f"role {time.monotonic()} " * 400
    async with ModelClient(base_url=offline.url) as client:
        calls = [
            await client.complete(build_request(prompt_inputs(step=step(role_prompt=role), items=(epic(name),))))
            for name in ("E1", "E2")
        ]
    first, second = (usage_counts(call.usage) for call in calls)
    assert first.cache_read == 0
    assert first.cache_write_5m > 1_000
    assert second.cache_read == first.cache_write_5m
    assert second.cache_write == 0
    assert second.input > 0


def test_it_answers_without_a_stream_too(offline: OfflineProcess) -> None:
    message = ask(offline.port, "/v1/messages", model_request().to_api_kwargs()).body
    assert message["type"] == "message"
    assert message["content"][0]["type"] == "text"
    assert message["usage"]["input_tokens"] > 0


def test_it_stops_at_max_tokens(offline: OfflineProcess) -> None:
    message = ask(offline.port, "/v1/messages", model_request(max_tokens=5).to_api_kwargs()).body
    assert message["stop_reason"] == "max_tokens"
    assert len(message["content"][0]["text"]) == 20


def test_it_counts_tokens(offline: OfflineProcess) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "x" * 40}]}
    assert ask(offline.port, "/v1/messages/count_tokens", body).body == {"input_tokens": 10}


@pytest.mark.parametrize(
    ("path", "body", "status", "error_type"),
    [
        ("/v1/messages", b"{", 400, "invalid_request_error"),
        ("/v1/messages", [], 400, "invalid_request_error"),
        ("/v1/messages", {"model": "m"}, 400, "invalid_request_error"),
        ("/v1/messages", {"model": "m", "max_tokens": 5, "messages": []}, 400, "invalid_request_error"),
        ("/v1/messages", {"model": "m", "max_tokens": 0, "messages": [{"role": "user"}]}, 400, "invalid_request_error"),
        ("/v1/messages", {"model": "m", "max_tokens": 5, "messages": [{"role": "x"}]}, 400, "invalid_request_error"),
        ("/v1/elsewhere", {}, 404, "not_found_error"),
    ],
)
def test_its_errors_have_the_apis_shape(
    offline: OfflineProcess, path: str, body: Any, status: int, error_type: str
) -> None:
    answer = ask(offline.port, path, body)
    assert answer.status == status
    assert answer.body["type"] == "error"
    assert answer.body["error"]["type"] == error_type
    assert answer.headers["request-id"] == answer.body["request_id"]


async def test_it_stops_at_once_with_open_streams_and_starts_again_on_its_port() -> None:
    port = free_port()
    server = OfflineProcess(port, 30.0, EXAMPLES)
    async with ModelClient(base_url=server.url) as client:
        started = asyncio.Event()
        calls = [
            asyncio.create_task(client.complete(model_request(), on_usage=lambda usage: started.set()))
            for _ in range(5)
        ]
        await asyncio.wait_for(started.wait(), 10)
        assert await asyncio.to_thread(server.stop) < 2
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(getattr(result, "retryable", False) for result in results)
    again = await asyncio.to_thread(OfflineProcess, port, 0.0, EXAMPLES)
    try:
        async with ModelClient(base_url=again.url) as client:
            assert (await client.complete(model_request())).is_offline
    finally:
        again.stop(signal.SIGKILL)


async def test_a_document_takes_its_time_to_be_written() -> None:
    server = await asyncio.to_thread(OfflineProcess, free_port(), 0.6, EXAMPLES)
    pieces: list[str] = []
    try:
        async with ModelClient(base_url=server.url) as client:
            response = await client.complete(build_request(prompt_inputs()), on_text=pieces.append)
    finally:
        server.stop()
    assert len(pieces) >= 15
    assert "".join(pieces) == response.text
    assert 500 <= response.latency_ms <= 3_000
