"""The beginning of a stream: who may have it, and from where.

The stream itself is sent by ``executions.streams``, which lets Django answer the request that opens it: so rights,
refusals, rates and headers are those of every other call. A server without that (WSGI) answers with what there is by
now, and ends; readers of server-sent events then come again by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import validate_host
from django.middleware.csrf import CsrfViewMiddleware
from rest_framework.exceptions import PermissionDenied
from rest_framework.pagination import BasePagination
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from executions.api.frames import TERMINAL_EVENTS, Frame, connected_frame, event_frame, event_stream
from executions.api.operations import executions as operations
from executions.api.views.callers import caller, execution_uuid
from executions.exceptions import ExecutionNotFound
from executions.models import Event, Execution
from executions.origin import current_origin

if TYPE_CHECKING:
    from uuid import UUID

    from django.http.response import HttpResponseBase

_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What somebody has shown, so that it can be looked at again: a token's hash, or the key of a session."""

    user_id: int
    token_digest: str | None
    session_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a stream begins with. ``after`` is the last event that the reader has, ``last_seq`` the last there is.

    ``request_id`` is that of the request which opened it: what the log tells of the stream later has it too.
    """

    execution_id: UUID
    credential: Credential
    after: int
    last_seq: int
    connected: Frame
    request_id: str = ""


class StreamResponse(HttpResponse):
    """The answer to an opening: the headers of the stream, and what it begins with."""

    def __init__(self, opening: Opening, content: bytes = b"") -> None:
        super().__init__(content, content_type="text/event-stream")
        self.opening = opening
        # A proxy that keeps or rewrites what passes through would hold the events back.
        self.headers["Cache-Control"] = "no-cache, no-transform"
        self.headers["X-Accel-Buffering"] = "no"


class EventStreamRenderer(JSONRenderer):
    """Lets readers ask for ``text/event-stream``. What it renders are refusals, which are JSON all the same."""

    media_type = "text/event-stream"
    format = "event-stream"


class StreamPosition(BasePagination):
    """The one parameter of a stream."""

    def query_names(self, view: APIView) -> list[str]:
        return ["after"]

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            {
                "name": "after",
                "in": "query",
                "required": False,
                "description": "The `seq` of the last event that the reader has; the header `Last-Event-ID` wins.",
                # What is no number of an event is ignored, so anything is taken.
                "schema": {"type": ["integer", "string"], "default": 0},
            }
        ]


class ExecutionStream(APIView):
    """The history of an execution from a place on, then what happens, as server-sent events."""

    renderer_classes: list[type[BaseRenderer]] = [EventStreamRenderer, JSONRenderer]
    paginator = StreamPosition()

    @operations.STREAM
    def get(self, request: Request, execution_id: str) -> HttpResponseBase:
        user = caller(request)
        if request.auth is None:
            _check_origin(request)
        visible = Execution.objects.visible_to(user).select_related("revision")
        execution = visible.defer("revision__definition", "brief").filter(pk=execution_uuid(execution_id)).first()
        if execution is None:
            raise ExecutionNotFound(execution_id)
        after = _position(request, execution.last_seq)
        if after == execution.last_seq and _is_end(execution):
            return HttpResponse(status=204)
        opening = Opening(
            execution_id=execution.pk,
            credential=_credential(request),
            after=after,
            last_seq=execution.last_seq,
            connected=connected_frame(execution, user),
            request_id=current_origin().request_id,
        )
        if getattr(request, "is_opening", False):
            return StreamResponse(opening)
        rows = Event.objects.filter(execution=execution, seq__gt=after).order_by("seq")
        return StreamResponse(opening, event_stream([opening.connected, *map(event_frame, rows)]))


def _position(request: Request, last_seq: int) -> int:
    """Return the number of the last event that the reader has; what is no such number is ignored."""
    for text in (request.headers.get("Last-Event-ID"), request.query_params.get("after")):
        if text is not None and text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS:
            return int(text) if int(text) <= last_seq else 0
    return 0


def _is_end(execution: Execution) -> bool:
    last = Event.objects.filter(execution=execution, seq=execution.last_seq)
    return last.filter(event_type__in=TERMINAL_EVENTS).exists()


def _credential(request: Request) -> Credential:
    if request.auth is not None:
        return Credential(user_id=caller(request).pk, token_digest=request.auth.pk, session_key=None)
    session_key = request._request.session.session_key
    return Credential(user_id=caller(request).pk, token_digest=None, session_key=session_key)


def _check_origin(request: Request) -> None:
    """Refuse pages of other sites: a browser would send the cookie of ours for them.

    A browser names no origin for a stream of the page's own site, but always one for a WebSocket.

    :raises PermissionDenied: the origin is foreign, or not named where a browser would name it.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        if not getattr(request, "is_websocket", False):
            return
        detail = "A WebSocket that is opened with a session needs an Origin; send a bearer token instead."
        raise PermissionDenied(detail)
    if not _is_ours(request._request, origin):
        raise PermissionDenied("Pages of this origin may not read streams with a session.")


def _is_ours(request: HttpRequest, origin: str) -> bool:
    # The rule by which forms are taken; beside it any host of this site, by whatever port it is reached.
    forms: Any = CsrfViewMiddleware(lambda _: HttpResponse())
    if forms._origin_verified(request):
        return True
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        return False
    return host is not None and "*" not in settings.ALLOWED_HOSTS and validate_host(host, settings.ALLOWED_HOSTS)
