"""What the test model answers: replies, faults, and the rules that choose between them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from executions.llm.contract import read_contract
from executions.llm.offline import sse
from executions.llm.offline.generate import generate_document
from executions.llm.values import JSON, body_digest

FAULTS = {
    "cut": "the socket is cut after the first half of the text",
    "close": "the socket is cut before a byte is answered",
    "no_stop": "the stream ends cleanly, without message_stop",
    "no_start": "the stream ends cleanly, without any event",
    "hang": "nothing is ever answered",
    "hang_mid": "nothing follows the first half of the text",
    "pings": "only pings follow the first half of the text",
    "html": "a web page with status 200",
    "html_stream": "a web page that calls itself an event stream",
    "json": "JSON with status 200 that is no event stream",
    "bad_json": "an event whose data is not JSON",
    "tool_use": "a tool call instead of text",
    "status:<code>": "an error answer (with error_type, error_code, retry_after)",
    "error:<type>": "an error event after the first half of the text",
    "redirect": "a redirect to elsewhere",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer. ``text=None`` means a document that is true to the schema which the prompt asks for.

    ``start_delay`` passes before the head of the answer, ``delay`` before the first piece of text,
    ``chunk_delay`` between pieces. ``repeat`` sends the text that many times over, for huge answers.
    """

    text: str | None = None
    chunk_count: int = 1
    repeat: int = 1
    stop_reason: str | None = "end_turn"
    usage: JSON = field(default_factory=dict)
    start_delay: float = 0.0
    delay: float = 0.0
    chunk_delay: float = 0.0
    fault: str | None = None
    error_type: str | None = None
    error_code: str | None = None
    error_message: str = "scripted fault"
    retry_after: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reply:
        """Build a reply from a rule's JSON; ``json`` is a value to be sent as text.

        :raises ValueError: names an unknown key.
        """
        names = {item.name for item in fields(cls)}
        given = {key: value for key, value in data.items() if key not in ("match", "unless", "times", "json", "name")}
        if unknown := sorted(set(given) - names):
            raise ValueError(f"unknown keys in a reply: {', '.join(unknown)}")
        if "json" in data:
            given["text"] = json.dumps(data["json"])
        return cls(**given)


@dataclass(slots=True, kw_only=True)
class Rule:
    """A reply for prompts that hold every text of ``match`` and none of ``unless``, ``times`` times (or always)."""

    reply: Reply
    match: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    times: int | None = None
    name: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rule:
        return cls(
            reply=Reply.from_json(data),
            match=_texts(data.get("match", ())),
            unless=_texts(data.get("unless", ())),
            times=data.get("times"),
            name=data.get("name", ""),
        )

    def takes(self, prompt: str) -> bool:
        """Whether this rule answers ``prompt``; a rule that is used up does not."""
        if self.times is not None and self.times <= 0:
            return False
        return all(text in prompt for text in self.match) and not any(text in prompt for text in self.unless)

    def use(self) -> Reply:
        if self.times is not None:
            self.times -= 1
        return self.reply


class DocumentWriter:
    """Writes the generated document for a prompt; one per system prompt, as generating is slow."""

    def __init__(self, item_count: int = 3) -> None:
        self.item_count = item_count
        self._written: dict[tuple[str, int], str] = {}

    def text_for(self, body: JSON) -> str:
        system_text = "\n".join(sse.system_texts(body))
        key = (system_text, self.item_count)
        text = self._written.get(key)
        if text is None:
            text = self._written[key] = self._write(system_text, body)
        return text

    def _write(self, system_text: str, body: JSON) -> str:
        contract = read_contract(system_text)
        if contract is None:
            return json.dumps({"title": "Document", "summary": "Written by the test model."})
        document = generate_document(
            contract.schema, seed=body_digest(body), collection=contract.collection, item_count=self.item_count
        )
        return json.dumps(document)


def _texts(value: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
