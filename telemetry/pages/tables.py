"""Tables of figures. One description serves the page and its CSV, so that the two cannot differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString, mark_safe

from documents.rendering import visible
from executions.amounts import NOTHING, money
from executions.api.fields import money_text
from telemetry.pages import words

R = TypeVar("R")

Look = Literal["text", "code", "money", "count", "share", "milliseconds", "time", "markup"]
_NUMBERS = ("money", "count", "share", "milliseconds")
CURRENCY = "USD"
# More lines than this are in files only.
MOST_LINES = 50
_FITS_A_PHONE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Generic[R]):
    """One column: its name in files, its heading, and where its value is found in a row.

    ``shown`` replaces the value on the page, as text or markup; a column without a heading is in files only.
    ``missing`` is what the page shows for ``None``.
    """

    name: str
    find: Callable[[R], Any]
    heading: str | Promise = ""
    look: Look = "text"
    url: Callable[[R], str] | None = None
    shown: Callable[[R], str] | None = None
    missing: str | Promise = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    words: str | Promise
    is_number: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[R]):
    """Some rows as a table. ``slug`` is its name in addresses; with ``has_money`` files name the currency."""

    slug: str
    caption: str | Promise
    columns: Sequence[Column[R]]
    rows: Sequence[R] = ()
    has_money: bool = True

    def headings(self) -> list[Heading]:
        return [Heading(words=each.heading, is_number=each.look in _NUMBERS) for each in self._shown()]

    @property
    def is_small(self) -> bool:
        """Whether it has room on a phone as it is."""
        return len(self._shown()) <= _FITS_A_PHONE

    @property
    def is_cut(self) -> bool:
        return len(self.rows) > MOST_LINES

    def lines(self, zone: ZoneInfo) -> list[SafeString]:
        """Return the rows of the page. A template would take several times as long over so many cells."""
        # Headings are translated once, not in every cell.
        cells = [(column, _opening(column, is_first=not at)) for at, column in enumerate(self._shown())]
        return [_line(cells, row, zone) for row in self.rows[:MOST_LINES]]

    def file_columns(self) -> list[str]:
        return [*(each.name for each in self.columns), *(["currency"] if self.has_money else [])]

    def file_rows(self) -> Iterable[list[Any]]:
        """Yield the lines of the file, with the exact values."""
        end = [CURRENCY] if self.has_money else []
        return ([*(_plain(each.find(row)) for each in self.columns), *end] for row in self.rows)

    def _shown(self) -> list[Column[R]]:
        return [each for each in self.columns if each.heading]


def _opening(column: Column[Any], *, is_first: bool) -> str:
    """Return how a cell of the column begins: the first of a line is its heading."""
    if is_first:
        return '<th scope="row">'
    number = ' class="number"' if column.look in _NUMBERS else ""
    return f'<td data-label="{conditional_escape(str(column.heading))}"{number}>'


def _line(cells: Sequence[tuple[Column[R], str]], row: R, zone: ZoneInfo) -> SafeString:
    written = "".join(f"{opening}{_inside(column, row, zone)}</{opening[1:3]}>" for column, opening in cells)
    return mark_safe(f"<tr>{written}</tr>")  # noqa: S308 - escaped above and below


def _inside(column: Column[R], row: R, zone: ZoneInfo) -> str:
    """Return what stands in a cell. An amount that is rounded has all its places behind it."""
    value = column.find(row)
    shown = conditional_escape(column.shown(row) if column.shown is not None else _words(column, value, zone))
    exact = words.exact(value) if column.look == "money" else ""
    if exact:
        content = f'<span class="amount">{shown}<span class="exact" aria-hidden="true">{exact}</span></span>'
    else:
        content = f"<span>{shown}</span>"
    url = column.url(row) if column.url is not None else ""
    return f'<a href="{conditional_escape(url)}">{content}</a>' if url else content


def _words(column: Column[Any], value: Any, zone: ZoneInfo) -> str:
    if value is None or value == "":
        return str(column.missing)
    match column.look:
        case "money":
            return money(value) if value >= 0 else words.signed_money(value)
        case "count":
            return words.count(value)
        case "share":
            return words.share(value)
        case "milliseconds":
            return words.milliseconds(value)
        case "time":
            return moment(value, zone)
        case "code":
            return format_html('<code class="hash">{}</code>', visible(str(value)))
        case _:
            return visible(str(value))


def moment(at: datetime, zone: ZoneInfo) -> SafeString:
    """Show a point in time in the zone whose days the page shows, not in the reader's own."""
    local = at.astimezone(zone)
    return format_html(
        '<time datetime="{}" data-clock>{}</time>', local.isoformat(timespec="seconds"), f"{local:%Y-%m-%d %H:%M:%S}"
    )


def _plain(value: Any) -> Any:
    """Return a value as files have it: amounts without an exponent, and without places that say nothing."""
    return Exact(value) if isinstance(value, Decimal) else value


class Exact:
    """An amount that is written out in full: a negative one is a number, not a text that a spreadsheet would run."""

    def __init__(self, value: Decimal) -> None:
        self._value = value

    def __str__(self) -> str:
        return money_text(self._value)
