"""The brief of a run, from the command line: a file, JSON text, or plain text."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import IO, Any

from documents.canonical import text_problem
from executions.services.executions import MAX_BRIEF_BYTES
from executions.terminal.exits import ExitCode, Stop
from executions.terminal.wording import short
from workflows.jsonfile import UnreadableText, decode, parse_json

# Indented JSON is larger than what is stored of it.
MAX_FILE_BYTES = 4 * MAX_BRIEF_BYTES
STDIN = "-"
_LOOKS_LIKE_A_FILE = re.compile(r"\S+\.(json|txt|md)", re.IGNORECASE)


def read_brief(given: str, *, stdin: IO[bytes] | None = None) -> dict[str, Any]:
    """Return the brief that ``--brief`` gives; plain text becomes its ``description``.

    :raises Stop: where it is no text, too large, or JSON that is wrong or no object.
    """
    if given == STDIN:
        return _parsed(_text(_read(stdin or sys.stdin.buffer, "the standard input"), "the standard input"), given)
    path = _path(given) if given.strip() else None
    if path is not None:
        return _parsed(_text(_read_file(path), str(path)), given, must_be_json=path.suffix.lower() == ".json")
    if _LOOKS_LIKE_A_FILE.fullmatch(given):
        raise _wrong(f"there is no file {short(given)}")
    if len(given) > MAX_FILE_BYTES:
        raise _too_large("the text")
    return _parsed(given, given)


def _path(given: str) -> Path | None:
    """Return the path that is meant, if there is something at it."""
    try:
        path = Path(given).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long for a name, a NUL, no home: a text, then
        return None


def _read_file(path: Path) -> bytes:
    if path.is_dir():
        raise _wrong(f"{path} is a directory; give a JSON or text file")
    try:
        with path.open("rb") as file:
            return _read(file, str(path))
    except OSError as error:
        raise _wrong(f"{path} cannot be read: {error.strerror or error}") from error


def _read(file: IO[bytes], name: str) -> bytes:
    data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise _too_large(name)
    return data


def _text(data: bytes, name: str) -> str:
    try:
        return decode(data)
    except UnreadableText as error:
        raise _wrong(f"{name}: {error}; save it as UTF-8") from error


def _parsed(text: str, given: str, *, must_be_json: bool = False) -> dict[str, Any]:
    stripped = text.strip()
    if not stripped:
        raise _wrong("the brief is empty; say what the documents shall be about")
    if problem := text_problem(stripped):
        # Bytes of the command line that are no UTF-8 arrive as lone surrogates.
        raise _wrong(f"{problem}; give UTF-8 text" if "surrogate" in problem else problem)
    if not must_be_json and not stripped.startswith("{") and not _is_json(stripped):
        return {"description": stripped}
    value, problems = parse_json(stripped)
    if problems:
        listed = "; ".join(problem.detail for problem in problems[:3])
        raise _wrong(f"{short(given, 60)}: {listed}")
    if not isinstance(value, dict):
        kind = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
        raise _wrong(f'the JSON is {kind}, not an object; give {{"description": ...}} or plain text')
    return value


def _is_json(text: str) -> bool:
    """Whether a text that is no object is JSON nevertheless: then something else was meant than plain text."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _too_large(name: str) -> Stop:
    return _wrong(f"{name} is too large: a brief may have {MAX_BRIEF_BYTES:,} bytes")


def _wrong(detail: str) -> Stop:
    return Stop(ExitCode.USAGE, f"--brief: {detail}.")
