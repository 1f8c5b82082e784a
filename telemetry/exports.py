"""CSV (RFC 4180), a piece at a time: exact figures, times with their offset, nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

MEDIA_TYPE = "text/csv"
_PIECE = 500
# What spreadsheets take for a formula, also behind characters that they skip.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def cell(value: Any, zone: ZoneInfo) -> str:
    """Return a value as it stands in a cell: nothing for null, and no text that is a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"  # never with an exponent
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat()
    if isinstance(value, dict):
        value = json.dumps(value, sort_keys=True)
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA_STARTS) else text


def lines(columns: Sequence[str], rows: Iterable[Sequence[Any]], zone: ZoneInfo) -> Iterator[str]:
    """Yield the file in pieces of some hundred lines, the names of the columns first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for number, row in enumerate(rows, start=1):
        writer.writerow([cell(value, zone) for value in row])
        if number % _PIECE == 0:
            yield _emptied(buffer)
    if rest := _emptied(buffer):
        yield rest


def csv_response(
    request: HttpRequest, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], zone: ZoneInfo
) -> StreamingHttpResponse:
    """Return a file called ``name`` that is sent while ``rows`` are read."""
    pieces = lines(columns, rows, zone)
    # Django would gather all that a plain iterator yields before an ASGI server gets any of it.
    content = _one_by_one(pieces) if isinstance(request, ASGIRequest) else pieces
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return StreamingHttpResponse(content, content_type=f"{MEDIA_TYPE}; charset=utf-8; header=present", headers=headers)


async def _one_by_one(pieces: Iterator[str]) -> AsyncIterator[str]:
    """Yield each piece when it is made, in the request's own thread, where its database connection is."""
    step = sync_to_async(partial(next, pieces, None))
    while (piece := await step()) is not None:
        yield piece


def _emptied(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
