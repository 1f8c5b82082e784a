"""Written sample documents of the workflow packages, and how one is fitted to what is asked for."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from executions.llm.values import JSON

log = logging.getLogger(__name__)

_PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\.([A-Za-z0-9_]+)\s*\}\}")
_NUMBER_AT_END = re.compile(r"(\d+)$", re.ASCII)
_QUESTIONS = ".questions"


class SampleLibrary:
    """The samples below some package directories: ``samples/<doc_type>.json`` and ``<doc_type>.questions.json``.

    A directory may be a package or hold packages. A sample file is one document, or a list of them.
    """

    def __init__(self, directories: Iterable[Path]) -> None:
        self._documents: dict[str, list[list[Any]]] = {}
        self._question_sets: dict[str, list[JSON]] = {}
        for path in _sample_files(directories):
            self._load(path)

    def documents(self, doc_type: str, items: list[JSON], seed: str) -> Iterator[Any]:
        """Yield, adapted to ``items``, one sample of each package that has some for this type.

        The item's number chooses among the samples of a list: E2 gets the second one.
        """
        for samples in self._documents.get(doc_type, ()):
            yield _filled(samples[_position(items, seed) % len(samples)], items)

    def question_sets(self, doc_type: str) -> list[JSON]:
        return self._question_sets.get(doc_type, [])

    def _load(self, path: Path) -> None:
        try:
            content = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            log.warning(
                "sample is not readable", extra={"action": "sample_skipped", "path": str(path), "why": str(error)}
            )
            return
        if path.stem.endswith(_QUESTIONS):
            self._question_sets.setdefault(path.stem.removesuffix(_QUESTIONS), []).append(content)
        elif content:
            samples = content if isinstance(content, list) else [content]
            self._documents.setdefault(path.stem, []).append(samples)


def _sample_files(directories: Iterable[Path]) -> Iterator[Path]:
    for directory in directories:
        yield from sorted(directory.glob("samples/*.json"))
        yield from sorted(directory.glob("*/samples/*.json"))


def _position(items: list[JSON], seed: str) -> int:
    if not items:
        return 0
    item_id = str(items[-1].get("id", ""))
    number = _NUMBER_AT_END.search(item_id)
    return int(number[1]) - 1 if number else int(hashlib.sha256(f"{seed}{item_id}".encode()).hexdigest()[:8], 16)


def _filled(value: Any, items: list[JSON]) -> Any:
    """Return ``value`` with its placeholders filled: ``{{item.title}}`` of the innermost item, ``{{epic.id}}`` by type.

    A placeholder that nothing fits is left out, with nothing in its place.
    """
    if isinstance(value, dict):
        return {key: _filled(inner, items) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, items) for inner in value]
    if isinstance(value, str) and "{{" in value:
        return _PLACEHOLDER.sub(lambda match: _lookup(match[1], match[2], items), value)
    return value


def _lookup(name: str, key: str, items: list[JSON]) -> str:
    wanted: Iterable[Mapping[str, Any]] = reversed(items)
    for item in wanted:
        if name in ("item", item.get("entity_type")):
            found = item.get("id") if key == "id" else item["content"].get(key)
            return found if isinstance(found, str) else "" if found is None else json.dumps(found)
    return ""
