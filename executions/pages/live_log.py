"""The activity log of a run: its events as lines, oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from documents.rendering import visible
from executions.api.pictures import items_around
from executions.models import Event, Execution
from executions.pages import live_words
from executions.pages.live_gathering import Gathered

MOST_EVENTS = 300
FILTERS = ("all", "people", "errors")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One event. ``variant`` names its sentence, and the template that the page's script makes such lines of."""

    seq: int
    at: datetime | None
    variant: str
    icon: str
    look: str
    kind: str
    path: str
    step: str
    text: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Some lines; ``before`` is the number below which there are older ones, 0 where there are none."""

    lines: Sequence[LogLine]
    before: int
    is_newest: bool
    show: str


def log_of(request: HttpRequest, gathered: Gathered) -> Log:
    """Return the newest events, or those before the one that the request names."""
    text = request.GET.get("before", "")
    before = int(text) if text.isascii() and text.isdecimal() and len(text) <= 9 else 0
    rows = Event.objects.filter(execution=gathered.execution, seq__lte=gathered.execution.last_seq)
    if before:
        rows = rows.filter(seq__lt=before)
    events = list(rows.order_by("-seq")[:MOST_EVENTS])[::-1]
    show = request.GET.get("show", "")
    return Log(
        lines=list(lines_of(events, gathered)),
        before=events[0].seq if events and events[0].seq > 1 else 0,
        is_newest=not before,
        show=show if show in FILTERS else "all",
    )


def lines_of(events: Iterable[Event], gathered: Gathered) -> Iterable[LogLine]:
    types = {str(document.pk): document.document_type for document in gathered.documents}
    for event in events:
        fields = live_words.fields_of(event.event_type, event.data, gathered.type_names, types)
        sentence = live_words.sentence_of(event.event_type, fields)
        shown = live_words.Blank({name: visible(str(value)) for name, value in fields.items()})
        yield LogLine(
            seq=event.seq,
            at=event.timestamp,
            variant="",
            icon=sentence.icon,
            look=sentence.look,
            kind=sentence.kind,
            path=event.path,
            step=step_label(event.path, event.step_id, gathered.names),
            text=str(sentence.text).format_map(shown),
            detail=visible(live_words.detail_of(fields)),
        )


def blank_lines() -> list[LogLine]:
    """Return a line of every kind, for the script to copy."""
    return [
        LogLine(
            seq=0,
            at=None,
            variant=variant,
            icon=sentence.icon,
            look=sentence.look,
            kind=sentence.kind,
            path="",
            step="",
            text="",
            detail="",
        )
        for variant, sentence in live_words.SENTENCES.items()
    ]


def step_label(path: str, step_id: str, names: Mapping[str, str]) -> str:
    """Return what a step is called, with the items that it stands in."""
    if not path:
        return ""
    items = " / ".join(item for _path, item in items_around(path))
    name = visible(names.get(step_id, step_id))
    return f"{name} ({items})" if items else name


def last_events(execution: Execution, after: int) -> list[str]:
    """Return the paths that events after ``after`` were about."""
    rows = Event.objects.filter(execution=execution, seq__gt=after, seq__lte=execution.last_seq).exclude(path="")
    return list(rows.order_by().values_list("path", flat=True).distinct())
