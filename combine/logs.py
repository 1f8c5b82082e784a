"""How log records look: one JSON object a line (production), or a readable line (at home).

Messages are constant texts; the facts are in ``extra``. Both formats show every extra field, so nothing is lost in
the readable one. ``request_id`` is set by the request-id middleware and is on every record made during a request.
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# Attached by Django and Procrastinate: objects (requests, sockets, jobs with arguments) that are no facts of ours.
_NOT_SHOWN = frozenset({"request", "server_time", "job", "result", "worker"})


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    extra = {key: value for key, value in vars(record).items() if key not in _STANDARD | _NOT_SHOWN}
    if (current := request_id.get()) is not None:
        extra.setdefault("request_id", current)
    return extra


class JsonFormatter(logging.Formatter):
    """One JSON object a line, UTC."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """A line for people: time, level, logger, message, then the facts as ``key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        facts = "".join(f" {key}={value}" for key, value in _extra(record).items())
        line = f"{time} {record.levelname:<7} {record.name}: {record.getMessage()}{facts}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def logging_settings(*, level: str, log_format: str) -> dict[str, Any]:
    """The LOGGING setting. Everything goes to stderr: stdout belongs to what a command was asked for."""
    formatter = JsonFormatter if log_format == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"{formatter.__module__}.{formatter.__qualname__}"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own configuration would mail or print apart from ours.
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            # One line per job at INFO is noise beside our own transition records.
            "procrastinate": {"level": max(level, "WARNING", key=logging.getLevelName)},
            "daphne": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            "anthropic": {"level": "WARNING"},
        },
    }
