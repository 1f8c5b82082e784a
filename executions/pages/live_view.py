"""What a run's page says, whoever looks: head, steps, side; whole for the page, in parts for those who watch it.

Parts are rendered once for all who ask at the same moment: they are kept, by what they were made of, for a short time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from time import monotonic
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from executions.amounts import NOTHING, duration, money
from executions.api.pictures import items_around
from executions.models import Execution, ExecutionStatus
from executions.overview import status_sentence
from executions.pages import live_words
from executions.pages.live_gathering import Gathered, gather
from executions.pages.live_log import last_events
from executions.pages.live_tree import Row, Tree
from executions.services import liveness
from executions.services.stopped import is_shared

NO_WORKER_SECONDS = 60

# How long watchers leave the server in peace between two questions: more, the more of them there are.
PAUSE_MS = 400
LONGEST_PAUSE_MS = 10_000
_PAUSE_PER_REQUEST_MS = 25
_KEPT = 64
# Figures that grow by themselves (elapsed time, bars) may be this old.
_FRESH_SECONDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A failure in words, with where it happened."""

    code: str
    cause: str
    act: str
    detail: str
    paths: list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where the run stands."""

    sentence: str
    queue: str
    is_stuck: bool
    elapsed: str
    cost: str
    share: int | None
    tokens_note: str
    done: int
    total: int
    problem: Problem | None


def head_of(gathered: Gathered) -> Head:
    execution = gathered.execution
    production = [step for step in gathered.steps if not step.is_iteration]
    queue, is_stuck = _queue(gathered)
    return Head(
        sentence=status_sentence(execution, gathered.waiting),
        queue=queue,
        is_stuck=is_stuck,
        elapsed=duration(execution.started_at, gathered.end),
        cost=_cost(execution),
        share=_share(execution.cost_usd, execution.budget_usd),
        tokens_note=gathered.total.text if gathered.total.unpriced_count else "",
        done=sum(step.status == "completed" for step in production),
        total=len(production),
        problem=_problem(gathered),
    )


def _cost(execution: Execution) -> str:
    if execution.budget_usd is None:
        return money(execution.cost_usd)
    return _("%(spent)s of %(budget)s") % {"spent": money(execution.cost_usd), "budget": money(execution.budget_usd)}


def _share(spent: Decimal, budget: Decimal | None) -> int | None:
    return min(int(spent * 100 / budget), 100) if budget else None


def _queue(gathered: Gathered) -> tuple[str, bool]:
    """Say who is before a run that nobody has taken up, and whether there is any worker at all."""
    if gathered.execution.status not in (ExecutionStatus.PENDING, ExecutionStatus.RUNNING):
        return "", False
    silence = liveness.workers().silent_seconds
    if silence is None or silence > NO_WORKER_SECONDS:
        text = _("No worker has reported for %(count)d s, so nothing goes on. Start one: python manage.py worker")
        return text % {"count": NO_WORKER_SECONDS}, True
    if gathered.execution.status != ExecutionStatus.PENDING:
        return "", False
    waiting = Execution.objects.filter(status=ExecutionStatus.PENDING)
    before = waiting.filter(started_at__lt=gathered.execution.started_at).count()
    place = ngettext("%(count)d run is before it", "%(count)d runs are before it", before) % {"count": before}
    seen = _("A worker was last seen %(count)d s ago.") % {"count": max(int(silence), 0)}
    first = _("It is the first in the queue.") if not before else f"{place}."
    return f"{first} {seen}", False


def _problem(gathered: Gathered) -> Problem | None:
    execution = gathered.execution
    if not execution.error_code:
        return None
    cause = live_words.CAUSES.get(execution.error_code, live_words.UNKNOWN_CAUSE)
    if is_shared(execution.error_code, execution.error_detail):
        cause = live_words.SHARED_BUDGET
    failed = [(step.path, step.name) for step in gathered.steps if step.status == "failed" and not step.is_iteration]
    return Problem(
        code=execution.error_code,
        cause=str(cause.cause),
        act=str(cause.act),
        detail=execution.error_detail,
        paths=failed[:5],
    )


def page_parts(gathered: Gathered, opened: Collection[str] = ()) -> dict[str, Any]:
    """Return what templates of the common parts are rendered with."""
    return {
        "execution": gathered.execution,
        "gathered": gathered,
        "head": head_of(gathered),
        "tree": Tree(gathered, opened),
        "budget": money(gathered.execution.budget_usd) if gathered.execution.budget_usd is not None else NOTHING,
    }


def changed_parts(execution: Execution, after: int, opened: Collection[str]) -> Mapping[str, Any]:
    """Return what is new since event ``after``, rendered: for everybody who watches, from the store if it is there."""
    moment = int(monotonic() / _FRESH_SECONDS) if execution.completed_at is None else 0
    key = (execution.pk, after, execution.last_seq, execution.cost_usd, moment, tuple(sorted(opened)), get_language())
    return _store.get(key) or _store.put(key, _changed_parts(execution, after, opened))


def _changed_parts(execution: Execution, after: int, opened: Collection[str]) -> dict[str, Any]:
    gathered = gather(execution)
    context = page_parts(gathered, opened)
    tree: Tree = context["tree"]
    paths = set(last_events(execution, after))
    has_new_rows = any(step.is_iteration and step.path in paths for step in gathered.steps)
    changed = {row.path: row for row in tree.shown_rows() if _is_fresh(row, paths)}
    return {
        "html": {
            "head": render_to_string("pages/executions/live/_head.html", context),
            "side": render_to_string("pages/executions/live/_documents.html", context),
            "scale": render_to_string("pages/executions/live/_scale.html", context),
        },
        "tree": render_to_string("pages/executions/live/_tree.html", context) if has_new_rows else None,
        "rows": {path: _rendered("_row", row=row, execution=execution) for path, row in changed.items()},
        "bars": {row.path: _rendered("_bar", row=row) for row in tree.shown_rows() if row.path not in changed},
        "groups": {key: _rendered("_counts", group=tree.groups()[key]) for key in _groups_around(paths)},
    }


def _is_fresh(row: Row, paths: Collection[str]) -> bool:
    return row.path in paths or row.is_iteration or row.status not in ("completed", "cancelled")


def _groups_around(paths: Collection[str]) -> set[str]:
    return {f"{path}[{item}]" for each in paths for path, item in items_around(each)}


def _rendered(name: str, **context: Any) -> str:
    return render_to_string(f"pages/executions/live/{name}.html", context)


class _Store:
    """The last parts that were rendered, for whoever asks for the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Any, Mapping[str, Any]] = OrderedDict()

    def get(self, key: Any) -> Mapping[str, Any] | None:
        with self._lock:
            return self._kept.get(key)

    def put(self, key: Any, value: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            self._kept[key] = value
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return value


class Load:
    """How much is asked of this process at the moment."""

    def __init__(self) -> None:
        self._asked: deque[float] = deque(maxlen=LONGEST_PAUSE_MS // _PAUSE_PER_REQUEST_MS)

    def pause_ms(self) -> int:
        """Note a request; return how long its sender should wait before the next."""
        now = monotonic()
        self._asked.append(now)
        recent = sum(1 for _each in self._recent(now))
        return min(max(recent * _PAUSE_PER_REQUEST_MS, PAUSE_MS), LONGEST_PAUSE_MS)

    def _recent(self, now: float) -> Iterator[float]:
        return (at for at in self._asked if at > now - 1)


_store = _Store()
load = Load()
