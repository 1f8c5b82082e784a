"""The corpus of what no client should send: data, in ``data/*.jsonl``, one entry a line.

Every entry has a ``name``, and what must be answered: ``status`` (one, or a list of those that are right), ``code`` of
the problem (one, a list, or null for any), and for a wrong field ``at``, the JSON Pointer of the error. The other keys
say what is sent: ``on`` which endpoints (their names in ``endpoints.py``), ``method``, ``path`` or ``segment`` (an id
in a path), ``query``, ``headers``, ``body`` (text, sent as UTF-8) or ``bytes`` (Latin-1: each character is one byte),
``field`` and ``value`` (JSON text), or all of it as ``raw``. What is ``outside`` of the API, as a proxy's request is,
need be no problem details. A text may be a list of ``[piece, times]``, so that long ones stay short here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"

Entry = dict[str, Any]


def entries(name: str) -> list[Entry]:
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def text_of(value: Any) -> str:
    """Return a text that is written in full, or as pieces."""
    return value if isinstance(value, str) else "".join(piece * times for piece, times in value)


def body_of(entry: Entry) -> bytes:
    if "bytes" in entry:
        return text_of(entry["bytes"]).encode("latin-1")
    return text_of(entry.get("body", "")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, over whatever transport."""

    status: int
    content_type: str
    request_id: str | None
    content: bytes
    seconds: float


def complaint(entry: Entry, answer: Answer, *, limit: float) -> str | None:
    """Say what is wrong with an answer to an entry of the corpus, or return None."""
    if answer.seconds > limit:
        return f"took {answer.seconds:.1f} s"
    if not entry.get("outside") and (found := shape_complaint(answer)) is not None:
        return found
    if answer.status not in _list(entry["status"]):
        return f"answered {answer.status}, not {entry['status']}: {answer.content[:300]!r}"
    if answer.status < 400 or not answer.content or entry.get("outside"):
        return None
    problem = json.loads(answer.content)
    if entry["code"] is not None and problem["code"] not in _list(entry["code"]):
        return f"code {problem['code']}, not {entry['code']}"
    if entry.get("at") and not any(_is_at(error["path"], entry["at"]) for error in problem.get("errors", [])):
        return f"no error at {entry['at']}: {problem.get('errors')}"
    return None


def shape_complaint(answer: Answer) -> str | None:
    """Say what is wrong with an answer, whatever was sent: a defect, or a refusal that is no problem details."""
    if answer.status >= 500:
        return f"answered {answer.status}: {answer.content[:300]!r}"
    if answer.request_id is None:
        return "has no X-Request-ID"
    if answer.status < 400 or not answer.content:
        return None
    if answer.content_type != "application/problem+json":
        return f"is {answer.content_type}: {answer.content[:200]!r}"
    if len(answer.content) > 50_000:
        return f"is {len(answer.content)} bytes long"
    problem = json.loads(answer.content)
    if problem["status"] != answer.status or not problem["code"] or not problem["title"]:
        return f"is no problem: {problem}"
    if problem["request_id"] != answer.request_id:
        return f"names the request {problem['request_id']}, but is {answer.request_id}"
    return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_at(path: str, wanted: str) -> bool:
    return path == wanted or path.startswith(f"{wanted}/")
