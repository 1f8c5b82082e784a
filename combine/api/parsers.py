"""JSON bodies, read strictly: what is ambiguous or cannot be stored is refused here, for every endpoint."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from documents.canonical import MAX_INTEGER_DIGITS, NotStorable, normalise
from executions.exceptions import FieldError, Invalid
from workflows.problems import printable

# A brief may have 1 MB as canonical JSON; escapes and spaces may make it longer on its way.
MAX_BODY_BYTES = 2_000_000


class StrictJSONParser(BaseParser):
    """Parses ``application/json`` (UTF-8).

    400: not JSON, a key twice, NaN or infinity, a number without bound. 422: what PostgreSQL cannot hold
    (NUL, half a surrogate pair), and what is nested or multiplied beyond all use. 413: over 2 MB. 415: compressed;
    what a few bytes unfold to cannot be bounded before it has been done.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        _refuse_other_types(media_type or self.media_type, parser_context)
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise RequestDataTooBig(f"over {MAX_BODY_BYTES} bytes")
        try:
            return normalise(_loads(raw))
        except NotStorable as error:
            raise Invalid(
                [FieldError(path=each.path, code=each.code, detail=each.detail) for each in error.problems]
            ) from error


def _refuse_other_types(media_type: str, context: Mapping[str, Any] | None) -> None:
    if "*" in media_type:  # the framework takes a pattern for a match
        raise UnsupportedMediaType(media_type)
    encoding = context["request"].headers.get("Content-Encoding", "") if context else ""
    if encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("", detail="Bodies are taken as they are, without a Content-Encoding.")


def _loads(raw: bytes) -> Any:
    try:
        return json.loads(
            raw.decode(),
            object_pairs_hook=_unique_pairs,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse,
        )
    except UnicodeDecodeError as error:
        raise _malformed(f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} (line {error.lineno}, column {error.colno})") from error
    except RecursionError as error:
        raise _malformed("it is nested too deeply") from error
    except ValueError as error:
        raise _malformed(str(error)) from error


def _malformed(reason: str) -> ParseError:
    return ParseError(f"The body is not JSON that we take: {reason}.", code="malformed_json")


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {printable(twice, 80)!r} stands twice in one object")
    return result


def _integer(text: str) -> int:
    if len(text) > MAX_INTEGER_DIGITS:
        raise ValueError(f"an integer of {len(text)} digits is too large")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {printable(text, 40)} is too large")
    return number


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
