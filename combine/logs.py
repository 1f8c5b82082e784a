"""How log records look: one JSON object a line (production), or a readable line (at home).

Messages are constant texts; the facts are in ``extra``. Both formats show every extra field, so nothing is lost in
the readable one. ``request_id`` is set by the request-id middleware and is on every record made during a request; what
a request was about (an execution, a gate) is taken from its address where the record does not say.

No record holds what people or models wrote, nor a key: what exceptions say is left out, since the words of many quote
the value that was wrong (see ``combine.tracebacks``).
"""

from __future__ import annotations

import json
import logging
import logging.config
import sys
import threading
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from combine.tracebacks import is_quoting, quoted_frames, traceback_text

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

logger = logging.getLogger(__name__)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Attached by Django and Procrastinate: objects (requests, sockets, jobs with arguments) that are no facts of ours.
_NOT_SHOWN = _STANDARD | {"request", "server_time", "job", "result", "worker"}
# What an address may name, and how much of it is shown: it is what somebody typed.
_NAMED_BY_ADDRESSES = ("execution_id", "gate_id", "document_id", "webhook_id", "workflow_id")
_MOST_OF_A_NAME = 64


class _Formatter(logging.Formatter):
    """What both formats share: which facts a record has, and how much of an exception is told.

    ``is_traced``: traces are told to a collector, where the one of an execution has its id. ``tells_words``: what
    exceptions say is shown, for whoever develops.
    """

    def __init__(self, *, is_traced: bool = False, tells_words: bool = False) -> None:
        super().__init__()
        self._is_traced = is_traced
        self._tells_words = tells_words

    def facts(self, record: logging.LogRecord) -> dict[str, Any]:
        facts = {key: value for key, value in vars(record).items() if key not in _NOT_SHOWN}
        if (current := request_id.get()) is not None:
            facts.setdefault("request_id", current)
        match = getattr(getattr(record, "request", None), "resolver_match", None)
        for name, value in (match.kwargs if match else {}).items():
            if name in _NAMED_BY_ADDRESSES:
                facts.setdefault(name, str(value)[:_MOST_OF_A_NAME])
        if self._is_traced and "execution_id" in facts:
            facts.setdefault("trace_id", str(facts["execution_id"]).replace("-", ""))
        return facts

    def message(self, record: logging.LogRecord) -> str:
        if self._tells_words or not is_quoting(record):
            return record.getMessage()
        template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        return template.partition("\n")[0].removesuffix(": %s")

    def exception(self, record: logging.LogRecord) -> str | None:
        if not record.exc_info:
            return quoted_frames(record) if is_quoting(record) and not self._tells_words else None
        error = record.exc_info[1]
        if self._tells_words or error is None:
            return self.formatException(record.exc_info)
        return traceback_text(error)


class JsonFormatter(_Formatter):
    """One JSON object a line, UTC."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self.message(record),
            **self.facts(record),
        }
        if exception := self.exception(record):
            entry["exception"] = exception
        return json.dumps(entry, default=str, ensure_ascii=False)


class TextFormatter(_Formatter):
    """A line for people: time, level, logger, message, then the facts as ``key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        facts = "".join(f" {key}={value}" for key, value in self.facts(record).items())
        line = f"{time} {record.levelname:<7} {record.name}: {self.message(record)}{facts}"
        exception = self.exception(record)
        return f"{line}\n{exception}" if exception else line


def logging_settings(*, level: str, log_format: str, is_debug: bool = False, is_traced: bool = False) -> dict[str, Any]:
    """The LOGGING setting. Everything goes to stderr: stdout belongs to what a command was asked for."""
    formatter = JsonFormatter if log_format == "json" else TextFormatter
    at_least_info = max(level, "INFO", key=logging.getLevelName)
    at_least_warning = max(level, "WARNING", key=logging.getLevelName)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": f"{formatter.__module__}.{formatter.__qualname__}",
                "is_traced": is_traced,
                "tells_words": is_debug and log_format == "text",
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own configuration would mail or print apart from ours.
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            # Statements with their values, which are what people and models wrote.
            "django.db.backends": {"level": at_least_info},
            # One line per job at INFO is noise beside our own transition records.
            "procrastinate": {"level": at_least_warning},
            "daphne": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "anthropic": {"level": "WARNING"},
        },
    }


def configure(settings: dict[str, Any]) -> None:
    """Django's ``LOGGING_CONFIG``: as ever, and what Python itself would print is a record as well."""
    logging.config.dictConfig(settings)
    if settings["formatters"]["line"]["()"].endswith(JsonFormatter.__name__):
        logging.captureWarnings(True)
        sys.excepthook = _note_end
        threading.excepthook = _note_end_of_thread


def _note_end(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logger.critical("The process ends by an error", exc_info=error, extra={"action": "process_ended"})


def _note_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not issubclass(ended.exc_type, SystemExit):
        logger.error("A thread ended by an error", exc_info=ended.exc_value, extra={"action": "thread_ended"})
