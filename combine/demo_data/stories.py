"""What happens in a story of the demo: one execution, what goes wrong in it, and what people do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

Comment = tuple[str, str]

# What a model, its provider or a worker does instead of what it should, in the order of the tries of a step.
INVALID = "invalid"  # a document without one of its keys
PROSE = "prose"  # words instead of a document
CUT_SHORT = "cut_short"  # more than max_tokens
REFUSED = "refused"
OVERLOADED = "overloaded"
RATE_LIMITED = "rate_limited"
LONG_PAUSE = "long_pause"  # a rate limit that asks for the longest pause there is
BROKEN_OFF = "broken_off"
OUT_OF_MONEY = "out_of_money"
WORKER_LOST = "worker_lost"
CANCELLED = "cancelled"  # somebody cancels the run while the model writes
GOOD = "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody does at a gate (or, for a retry, when the run has failed), ``after`` it has opened.

    Without ``after`` people take their time, in office hours.
    """

    kind: str
    by: str = ""
    after: timedelta | None = None
    comment: str = ""
    comments: tuple[Comment, ...] = ()
    to: str = ""


ACCEPT = "accept"
REQUEST_CHANGES = "request_changes"
REJECT = "reject"
ANSWER = "answer"
EDIT = "edit"
CANCEL = "cancel"
HAND_ON = "hand_on"
NOBODY = "nobody"
RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One execution. It begins ``days`` working days ago at ``hour`` (UTC), or ``ago`` before now.

    ``mishaps`` by step id, each of the first one of that name that gets there; ``acts`` by step id, in the order of
    the gates. Where nothing is said, models write well and people accept.
    """

    subject: str
    by: str
    days: int = 0
    hour: float = 9
    ago: timedelta | None = None
    budget: Decimal | None = None
    asks: bool = False
    is_untouched: bool = False
    mishaps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    acts: Mapping[str, tuple[Act, ...]] = field(default_factory=dict)
    retry: Act | None = None
    retry_budget: Decimal | None = None


def at_gate(kind: str, by: str = "", **rest: Any) -> Act:
    """Return an act at a gate; ``minutes`` says how long after its opening."""
    minutes = rest.pop("minutes", None)
    return Act(kind=kind, by=by, after=None if minutes is None else timedelta(minutes=minutes), **rest)
