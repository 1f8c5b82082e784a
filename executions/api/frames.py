"""What streams send: one frame per event, with the same JSON whatever carries it. See docs/streaming.md."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone
from rest_framework.renderers import JSONRenderer

from executions.api.pictures import picture_of
from executions.api.serializers import EventSerializer, ExecutionSerializer
from executions.models import Event, EventType, Execution

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TERMINAL_EVENTS = frozenset({EventType.EXECUTION_COMPLETED, EventType.EXECUTION_FAILED, EventType.EXECUTION_CANCELLED})
# Before the first frame: how long a browser waits before it comes again.
RETRY = b"retry: 3000\n\n"
KEEPALIVE = b": keepalive\n\n"

_event_serializer = EventSerializer()
_renderer = JSONRenderer()


class Frame:
    """One thing to tell. Made once and shared by all who are told; ``seq`` is None where it is no event."""

    __slots__ = ("_sse", "data", "event_type", "path", "seq")

    def __init__(self, content: dict[str, Any]) -> None:
        self.event_type: str = content["event_type"]
        self.seq: int | None = content["seq"]
        self.path: str | None = content["path"]
        self.data: bytes = _renderer.render(content)
        self._sse: bytes | None = None

    @property
    def is_terminal(self) -> bool:
        return self.event_type in TERMINAL_EVENTS

    @property
    def sse(self) -> bytes:
        """The frame as server-sent events have it."""
        if self._sse is None:
            number = b"" if self.seq is None else b"id: %d\n" % self.seq
            self._sse = b"%sevent: %s\ndata: %s\n\n" % (number, self.event_type.encode(), self.data)
        return self._sse

    @property
    def text(self) -> str:
        """The frame as a WebSocket message."""
        return self.data.decode()


def event_frame(event: Event) -> Frame:
    return Frame(_event_serializer.to_representation(event))


def connected_frame(execution: Execution, viewer: User) -> Frame:
    """Return the first frame of a stream: the execution as ``viewer`` is shown it."""
    snapshot = ExecutionSerializer(picture_of(execution), context={"viewer": viewer}).data
    return _unnumbered("connected", execution.pk, dict(snapshot))


def output_frame(execution_id: UUID, *, path: str, step_id: str, attempt: int, text: str) -> Frame:
    """Return a frame with what a model has just written."""
    return _unnumbered("step_output", execution_id, {"attempt": attempt, "text": text}, path=path, step_id=step_id)


def event_stream(frames: Iterable[Frame]) -> bytes:
    """Return frames as the body of an answer."""
    return RETRY + b"".join(frame.sse for frame in frames)


def _unnumbered(
    event_type: str, execution_id: UUID, data: dict[str, Any], *, path: str | None = None, step_id: str | None = None
) -> Frame:
    content = {
        "event_type": event_type,
        "execution_id": str(execution_id),
        "seq": None,
        "step_id": step_id,
        "path": path,
        "timestamp": _instant(timezone.now()),
        "data": data,
    }
    return Frame(content)


def _instant(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
