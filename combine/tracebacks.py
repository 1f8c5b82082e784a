"""Tracebacks for the log: where something failed, and by which exception; not what that says.

The words of an exception often quote the value that was wrong: a document, a prompt, an answer, a key. So they are
left out, unless they are of a kind that names things of the program or of the system only. The lines of source that a
traceback shows say the rest: they are ours.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator

import psycopg

# They name files, hosts, modules, attributes and types.
_PLAIN = (OSError, ImportError, AttributeError, NameError, TypeError)
# PostgreSQL's first line is its own where it says that it cannot go on; where a value is wrong, it quotes that.
_DATABASE_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)
_MOST_WORDS = 300
_DEEPEST = 10
# These put exceptions, and reprs of what they were at work on, into the text of their messages.
_QUOTING = ("asyncio", "concurrent", "daphne", "django.db", "django.dispatch", "twisted")
_FRAME = re.compile(r'^ *File ".*(?:\n {4,}.*)?', re.MULTILINE)
_CAUSED = "\nThe above exception was the direct cause of the following exception:\n"
_MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n"


def traceback_text(error: BaseException) -> str:
    """Return the traceback of an exception and of those that led to it."""
    return "\n".join(_lines(error, set()))


def is_quoting(record: logging.LogRecord) -> bool:
    """Whether the message of a record may quote what an exception says."""
    return record.levelno >= logging.WARNING and record.name.startswith(_QUOTING)


def quoted_frames(record: logging.LogRecord) -> str | None:
    """Return where it failed, of a message that has a traceback in it."""
    return "\n".join(_FRAME.findall(record.getMessage())) or None


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen and len(seen) < _DEEPEST:
        yield from _lines(before, seen)
        yield _CAUSED if error.__cause__ is not None else _MEANWHILE
    if error.__traceback__ is not None:
        yield "Traceback (most recent call last):"
        yield "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    words = _words(error)
    yield f"{name}: {words}" if words else name
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            if id(each) not in seen and len(seen) < _DEEPEST:
                yield from _lines(each, seen)


def _words(error: BaseException) -> str:
    """Return what may be told of what an exception says."""
    if isinstance(error, psycopg.Error):
        found = error.diag
        names = (found.schema_name, found.table_name, found.column_name, found.constraint_name)
        where = " ".join(name for name in names if name)
        said = str(error).partition("\n")[0] if isinstance(error, _DATABASE_AWAY) else ""
        return " ".join(filter(None, (error.sqlstate, where, said)))[:_MOST_WORDS]
    return str(error).partition("\n")[0][:_MOST_WORDS] if isinstance(error, _PLAIN) else ""
