"""The machine-readable parts of a prompt: the output contract and the labelled data blocks.

``prompt.py`` writes them, the offline model and the test model read them back. A block's content is
JSON in which nothing can look like one of our tags, so text from people or from the model can neither
end its block nor open another.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from executions.llm.values import JSON, CollectionRule

_TAGS = "data_block|output_contract|output_schema"
_TAG_START = re.compile(rf"<(?=\s*/?\s*(?:{_TAGS})\b)", re.IGNORECASE)
_BLOCK = re.compile(r'<data_block kind="([a-z_]+)"([^>]*)>\n(.*?)\n</data_block>', re.DOTALL)
_ATTRIBUTE = re.compile(r' ([a-z_]+)="([^"]*)"')
_CONTRACT = re.compile(
    r"<output_contract([^>]*)>\n.*?<output_schema>\n(.*?)\n</output_schema>\n</output_contract>", re.DOTALL
)

# What a reader cannot see but a model can: soft hyphen, zero-width characters, bidirectional controls,
# variation selectors, interlinear annotations and the "tags" block, the known ways to smuggle text.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)


def visible(text: str) -> str:
    """Return ``text`` without invisible characters and lone surrogates; nothing else in it changes."""
    if text.isascii():
        return text
    text = _INVISIBLE.sub("", text)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputContract:
    """What the answer has to be, as the prompt states it."""

    document_type: str
    schema: JSON
    may_ask: bool
    collection: CollectionRule | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataBlock:
    """One labelled block of data. ``content`` is its JSON text."""

    kind: str
    attributes: dict[str, str] = field(default_factory=dict)
    content: str

    def value(self) -> Any:
        return json.loads(self.content)


def render_block(kind: str, value: Any, **attributes: str | int | None) -> str:
    """Return ``value`` as a labelled block that its content cannot break out of."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    return f'<data_block kind="{kind}"{_render_attributes(attributes)}>\n{_harmless(visible(text))}\n</data_block>'


def render_contract(contract: OutputContract, rules: str) -> str:
    """Return the output contract: ``rules`` in words, then the schema, in a form that can be read back."""
    rule = contract.collection
    attributes = _render_attributes(
        {
            "document_type": contract.document_type,
            "may_ask": "yes" if contract.may_ask else "no",
            "collection_field": rule.field if rule else None,
            "id_keys": ",".join(rule.id_keys) if rule else None,
        }
    )
    schema = _harmless(visible(json.dumps(contract.schema, ensure_ascii=False)))
    return f"<output_contract{attributes}>\n{rules}\n<output_schema>\n{schema}\n</output_schema>\n</output_contract>"


def read_contract(system_text: str) -> OutputContract | None:
    """Return the contract at the end of a system prompt, or ``None``; what a prompt file shows earlier is not it."""
    start = system_text.rfind("<output_contract ")
    match = _CONTRACT.match(system_text, start) if start >= 0 else None
    if match is None:
        return None
    attributes = _read_attributes(match[1])
    field_name = attributes.get("collection_field")
    keys = tuple(attributes.get("id_keys", "id").split(","))
    return OutputContract(
        document_type=attributes["document_type"],
        schema=json.loads(match[2]),
        may_ask=attributes["may_ask"] == "yes",
        collection=CollectionRule(field=field_name, id_keys=keys) if field_name else None,
    )


def read_blocks(text: str) -> Iterator[DataBlock]:
    """Yield the data blocks of a user message, in order."""
    for match in _BLOCK.finditer(text):
        yield DataBlock(kind=match[1], attributes=_read_attributes(match[2]), content=match[3])


def _harmless(json_text: str) -> str:
    """Escape, the JSON way, every ``<`` that would begin one of our tags (they occur in strings only)."""
    return _TAG_START.sub(r"\\u003c", json_text) if "<" in json_text else json_text


def _render_attributes(attributes: dict[str, Any]) -> str:
    return "".join(
        f' {name}="{html.escape(" ".join(visible(str(value)).split()))}"'
        for name, value in attributes.items()
        if value is not None
    )


def _read_attributes(text: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(text)}
