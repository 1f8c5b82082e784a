"""How log records look. A whole run of real processes is looked at in ``tests/acceptance/log_lines.py``."""

from __future__ import annotations

import json
import logging
import re
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection

from combine.logs import JsonFormatter, TextFormatter, logging_settings, request_id

RUN = UUID("5c6f7a30-0d2c-4c7e-9a57-1d2f3a4b5c6d")


def record(level: int = logging.ERROR, name: str = "executions.runner", **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord(name, level, __file__, 1, extra.pop("msg", "Something"), extra.pop("args", ()), None)
    vars(made).update(extra)
    return made


def shown(made: logging.LogRecord, **options: bool) -> dict[str, Any]:
    line = JsonFormatter(**options).format(made)
    assert "\n" not in line
    entry = json.loads(line)
    assert isinstance(entry, dict)
    return entry


def caught(error: BaseException, *, cause: BaseException | None = None) -> Any:
    """Return what ``sys.exc_info`` says where ``error`` is raised."""
    try:
        raise error from cause
    except BaseException as found:  # noqa: BLE001 - of whatever kind
        return (type(found), found, found.__traceback__)


def test_a_line_has_its_facts_and_the_request_it_was_made_in() -> None:
    token = request_id.set("req-1")
    try:
        found = shown(record(action="acted", execution_id=RUN, attempt=2, msg="Done: %s", args=("it",)))
    finally:
        request_id.reset(token)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", found.pop("time"))
    assert found == {
        "level": "ERROR",
        "logger": "executions.runner",
        "message": "Done: it",
        "action": "acted",
        "execution_id": str(RUN),
        "attempt": 2,
        "request_id": "req-1",
    }


def test_a_request_says_by_its_address_what_it_was_about() -> None:
    match = SimpleNamespace(kwargs={"execution_id": str(RUN), "gate_id": "x" * 900, "path": "steps/secret"})
    found = shown(record(request=SimpleNamespace(resolver_match=match)))
    assert (found["execution_id"], found["gate_id"]) == (str(RUN), "x" * 64)
    assert "path" not in found
    assert "request" not in found
    assert shown(record(request=SimpleNamespace(resolver_match=match), execution_id="own"))["execution_id"] == "own"
    assert "execution_id" not in shown(record(request=SimpleNamespace(resolver_match=None)))


def test_the_trace_of_a_run_is_named_where_traces_are_told() -> None:
    assert shown(record(execution_id=str(RUN)), is_traced=True)["trace_id"] == RUN.hex
    assert "trace_id" not in shown(record(execution_id=str(RUN)))
    assert "trace_id" not in shown(record(), is_traced=True)


class Odd(Exception):
    """Of a kind that nobody has thought of."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("canary"),
        KeyError("canary"),
        RuntimeError("canary"),
        Odd("canary"),
        json.JSONDecodeError("canary", "canary", 0),
        UnicodeEncodeError("utf-8", "canary", 0, 1, "canary"),
        ExceptionGroup("canary", [ValueError("canary"), Odd("canary")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_an_exception_says_is_left_out_and_where_it_was_raised_is_not(error: Exception) -> None:
    error.add_note("canary")
    for made in (record(exc_info=caught(error)), record(exc_info=caught(Odd("canary"), cause=error))):
        found = shown(made)
        assert "canary" not in json.dumps(found)
        assert f"{type(error).__name__}" in found["exception"]
        assert "raise error from cause" in found["exception"]
        assert "canary" not in TextFormatter().format(made)
        assert "canary" in TextFormatter(tells_words=True).format(made)


def test_an_exception_that_names_the_system_or_the_program_is_quoted() -> None:
    found = shown(record(exc_info=caught(OSError(28, "No space left on device", "/var/combine"))))
    assert found["exception"].endswith("OSError: [Errno 28] No space left on device: '/var/combine'")
    found = shown(record(exc_info=caught(Odd("x"), cause=AttributeError("'Row' object has no attribute 'when'"))))
    assert "AttributeError: 'Row' object has no attribute 'when'\n" in found["exception"]
    assert "direct cause" in found["exception"]


@pytest.mark.django_db
def test_the_database_is_quoted_only_where_no_value_can_be_in_it() -> None:
    statements = {
        "SELECT 'canary'::int": "psycopg.errors.InvalidTextRepresentation: 22P02",
        "SELECT '{\"canary\": }'::jsonb": "psycopg.errors.InvalidTextRepresentation: 22P02",
        "INSERT INTO auth_group (name) VALUES ('canary'), ('canary')": (
            "psycopg.errors.UniqueViolation: 23505 public auth_group auth_group_name_key"
        ),
        "SET LOCAL statement_timeout = 1; SELECT pg_sleep(1), 'canary'": (
            "psycopg.errors.QueryCanceled: 57014 canceling statement due to statement timeout"
        ),
    }
    raw = connection.connection
    for statement, said in statements.items():
        with pytest.raises(psycopg.Error) as failed, raw.transaction():
            raw.execute(statement)
        found = shown(record(exc_info=caught(failed.value)))
        assert found["exception"].endswith(said)
        assert "canary" not in found["exception"]


def test_messages_of_others_that_quote_exceptions_are_cut() -> None:
    retrieved = "Task exception was never retrieved\nfuture: <Task finished exception=ValueError('canary')>"
    found = shown(record(name="asyncio", msg=retrieved, exc_info=caught(ValueError("canary"))))
    assert found["message"] == "Task exception was never retrieved"
    assert "canary" not in json.dumps(found)
    told: dict[str, Any] = {
        "name": "django.db.backends.base",
        "msg": "Error calling tell in on_commit() (%s).",
        "args": ("canary",),
    }
    found = shown(record(**told, exc_info=caught(ValueError("canary"))))
    assert found["message"] == "Error calling tell in on_commit() (%s)."
    assert "canary" not in json.dumps(found)
    output = 'canary\n  File "a.py", line 1, in f\n    g()\n  canary'
    found = shown(record(name="daphne.server", msg="Exception inside application: %s", args=(output,)))
    assert found["message"] == "Exception inside application"
    assert found["exception"] == '  File "a.py", line 1, in f\n    g()'


def test_statements_of_the_database_are_never_logged() -> None:
    for level in ("DEBUG", "INFO", "ERROR"):
        settings = logging_settings(level=level, log_format="json", is_debug=True)
        assert settings["loggers"]["django.db.backends"]["level"] != "DEBUG"
        assert settings["formatters"]["line"]["tells_words"] is False, "whoever develops reads text"
    assert logging_settings(level="INFO", log_format="text", is_debug=True)["formatters"]["line"]["tells_words"]
