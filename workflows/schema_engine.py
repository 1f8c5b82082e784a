"""The JSON Schema engine and the only options we run it with. Use ``workflows.schemas``, not this.

``offline=True``: by default jsonschema_rs fetches remote references and opens ``file:`` URLs.
``RegexOptions``: the linear-time engine; the default one backtracks, and ``^(a+)+$`` would hang it.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import jsonschema_rs

PATTERN_SIZE_LIMIT = 2 * 1024 * 1024
_DETAIL_LENGTH = 300
_REPETITIONS = 100
Compiled = jsonschema_rs.Validator


def compile_schema(schema: dict[str, Any]) -> Compiled:
    """Return the compiled schema.

    :raises ValueError: where it is no valid schema (``jsonschema_rs.ValidationError`` is one).
    """
    return jsonschema_rs.validator_for(
        schema,
        offline=True,
        validate_formats=True,
        pattern_options=jsonschema_rs.RegexOptions(size_limit=PATTERN_SIZE_LIMIT, dfa_size_limit=PATTERN_SIZE_LIMIT),
    )


def error_rows(validator: Compiled, value: Any, limit: int) -> list[list[str]]:
    """Return the first ``limit`` different errors as rows of JSON Pointer, keyword and message.

    The engine builds all errors before it yields the first one, and repeats one that several branches of a
    schema find.
    """
    rows: dict[tuple[str, str, str], None] = {}
    for error in islice(validator.iter_errors(value), limit * _REPETITIONS):
        rows[(pointer(error.instance_path), error.kind.name, short(error.message))] = None
        if len(rows) >= limit:
            break
    return [list(row) for row in rows]


def pointer(keys: list[str | int]) -> str:
    """Return the JSON Pointer (RFC 6901) made of ``keys``."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def short(message: str) -> str:
    """Return ``message``, which may quote a whole document, cut in the middle."""
    if len(message) <= _DETAIL_LENGTH:
        return message
    half = _DETAIL_LENGTH // 2
    return f"{message[:half]} … {message[-half:]}"
