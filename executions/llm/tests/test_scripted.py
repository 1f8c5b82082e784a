"""The test model: its rules, its journal, and its life as a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from executions.llm.client import ModelClient
from executions.llm.errors import BadRequest, RateLimited
from executions.llm.offline.replies import Reply, Rule
from executions.llm.offline.scripted import ScriptedModel, replies_in_order
from executions.llm.parsing import DocumentOutput, parse_output
from executions.llm.prompt import build_request
from executions.llm.tests.builders import doc_type, model_request, prompt_inputs
from executions.llm.tests.http_json import ask
from executions.llm.values import CollectionRule
from workflows.schemas import build_validator

ROOT = Path(__file__).resolve().parents[3]


async def test_the_first_rule_that_takes_the_prompt_answers(model: ScriptedModel, client: ModelClient) -> None:
    model.rules = [
        Rule(match=("alpha", "beta"), reply=Reply(text="both")),
        Rule(match=("alpha",), unless=("gamma",), reply=Reply(text="one")),
    ]
    model.default = Reply(text="default")
    texts = [(await client.complete(model_request(text))).text for text in ("alpha beta", "alpha", "alpha gamma", "x")]
    assert texts == ["both", "one", "default", "default"]
    assert [entry.rule for entry in model.journal] == ["rule 1", "rule 2", "default", "default"]


async def test_a_rule_may_be_used_up(model: ScriptedModel, client: ModelClient) -> None:
    model.rules = [Rule(reply=Reply(fault="status:429"), times=1)]
    with pytest.raises(RateLimited):
        await client.complete(model_request())
    assert (await client.complete(model_request())).stop_reason == "end_turn"


async def test_without_rules_it_writes_what_the_schema_asks_for(model: ScriptedModel, client: ModelClient) -> None:
    rule = CollectionRule(field="stories")
    request = build_request(prompt_inputs(collection=rule))
    model.set_script({"items": 7})
    response = await client.complete(request)
    validator = build_validator(doc_type().schema)
    output = parse_output(response.text, doc_type=doc_type(), may_ask=True, validator=validator, collection=rule)
    assert isinstance(output, DocumentOutput)
    assert len(output.content["stories"]) == 7
    entry = model.journal[0]
    assert (entry.digest, entry.step_path, entry.document_type) == (
        request.digest(),
        "per_epic[E1].story_backlog",
        "story_backlog",
    )


async def test_a_script_of_replies_says_when_it_has_ended() -> None:
    with ScriptedModel(replies_in_order(Reply(text="one"), Reply(text="two"))) as model:
        async with ModelClient(base_url=model.base_url) as client:
            assert (await client.complete(model_request())).text == "one"
            assert (await client.complete(model_request())).text == "two"
            with pytest.raises(BadRequest, match="the script has ended"):
                await client.complete(model_request())


async def test_finished_faulted_and_disconnected_calls_are_told_apart(
    model: ScriptedModel, client: ModelClient
) -> None:
    model.rules = [
        Rule(match=("one",), reply=Reply(text="text")),
        Rule(match=("two",), reply=Reply(fault="status:400")),
        Rule(match=("three",), reply=Reply(text="half", fault="hang_mid")),
    ]
    for text in ("one", "two", "three"):
        await asyncio.gather(client.complete(model_request(text)), return_exceptions=True)
    await asyncio.sleep(0.05)
    one, two, three = model.journal
    assert one.finished is not None
    assert (one.faulted_at, one.disconnected_at) == (None, None)
    assert two.faulted_at is not None
    assert three.disconnected_at is not None
    assert model.finished_count == 1
    assert model.in_flight == 0


class ScriptedProcess:
    """``python -m executions.llm.offline.scripted``, as other processes use it."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "executions.llm.offline.scripted", "--exit-on-eof", *options]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        return code


@pytest.fixture
def process() -> Iterator[ScriptedProcess]:
    started = ScriptedProcess("--delay", "0.05", "--chunks", "3")
    yield started
    assert started.stop() == 0


async def test_another_process_can_be_scripted_and_asked(process: ScriptedProcess) -> None:
    rules = [{"match": "question", "json": {"a": 1}, "times": 1, "name": "first"}]
    ask(process.port, "/_script", {"rules": rules, "default": {"text": "later"}})
    async with ModelClient(base_url=process.url) as client:
        assert (await client.complete(model_request("a question"))).text == '{"a": 1}'
        assert (await client.complete(model_request("a question"))).text == "later"
    journal = ask(process.port, "/_journal").body
    assert [row["rule"] for row in journal["requests"]] == ["first", "default"]
    assert all(row["started"] <= row["finished"] <= journal["now"] for row in journal["requests"])
    assert (journal["finished_count"], journal["in_flight"], journal["max_in_flight"]) == (2, 0, 1)
    ask(process.port, "/_reset", {})
    assert ask(process.port, "/_journal").body["requests"] == []


def test_an_unknown_key_in_a_script_is_refused(process: ScriptedProcess) -> None:
    answer = ask(process.port, "/_script", {"rules": [{"match": "x", "reply_text": "y"}]})
    assert answer.status == 400
    assert "reply_text" in answer.body["error"]["message"]


async def test_the_delay_of_the_command_line_is_kept(process: ScriptedProcess) -> None:
    async with ModelClient(base_url=process.url) as client:
        response = await client.complete(model_request())
    assert response.latency_ms >= 50
