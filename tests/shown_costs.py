"""What the cost pages show, read from their HTML and their files: for comparing it with other accounts."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.test import Client

PAGE = "/costs/"
GROUPS = ("model", "workflow", "step", "kind")

_SPEND = re.compile(r'<span class="figure-label">Spend</span>(.*?)</li>', re.DOTALL)
_AMOUNT = re.compile(r"(?:unknown|\$[0-9.,]+)")
_CALLS = re.compile(r"([0-9,]+) calls?\b")
_DAILY = re.compile(r'<section [^>]*id="daily".*?</section>', re.DOTALL)
_ROW = re.compile(r'<th scope="row">(.*?)</th><td[^>]*>(.*?)</td>', re.DOTALL)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Shown:
    """The spend on the card, its number of calls, and the cost of each day in the table."""

    spend: Decimal | None
    call_count: int
    days: dict[str, Decimal]


def page(client: Client, query: dict[str, str]) -> Shown:
    """Read the page of all costs."""
    answer = client.get(PAGE, query, follow=True)  # what is asked for anyway is taken out of the address
    assert answer.status_code == 200, answer.status_code
    text = html.unescape(answer.content.decode())
    (card,) = _SPEND.findall(text)
    calls = _CALLS.search(card)
    daily = _DAILY.search(text)
    rows = _ROW.findall(daily[0]) if daily else []
    days = {_found(_DAY, first)[0]: _amount(second) or Decimal(0) for first, second in rows}
    return Shown(spend=_amount(card), call_count=int(calls[1].replace(",", "")) if calls else 0, days=days)


def file(client: Client, name: str, query: dict[str, str]) -> list[dict[str, str]]:
    """Read one of the page's tables as a file."""
    answer: Any = client.get(f"{PAGE}{name}.csv", query)
    assert answer.status_code == 200, (name, answer.status_code)
    return list(csv.DictReader(io.StringIO(b"".join(answer).decode(), newline="")))


def sum_of(rows: Iterable[dict[str, str]], column: str = "cost_usd") -> Decimal:
    return sum((Decimal(row[column] or 0) for row in rows), Decimal(0))


def _amount(markup: str) -> Decimal | None:
    """Return the most exact amount in a piece of the page; ``None`` where it says that it is unknown."""
    amounts = _AMOUNT.findall(re.sub("<[^>]*>", " ", markup))
    assert amounts, markup
    exact = max(amounts[:2], key=len) if len(amounts) > 1 and _is_exact(markup) else amounts[0]
    return None if exact == "unknown" else Decimal(exact.strip("$").replace(",", ""))


def _is_exact(markup: str) -> bool:
    return 'class="exact"' in markup


def _found(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.search(text)
    assert match is not None, text
    return match
