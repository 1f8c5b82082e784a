"""The few threads in which streams read the database: what they may ask for, and no more than four at a time."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user
from django.core import signals
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.db import connections
from django.http import HttpRequest, HttpResponseBadRequest
from django.urls import set_script_prefix
from django.utils import timezone
from knox.models import AuthToken

from documents import database
from executions.api.frames import Frame, event_frame
from executions.api.views.streams import Credential
from executions.models import Event, Execution

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http.response import HttpResponseBase

T = TypeVar("T")
Scope = Mapping[str, Any]

THREADS = 4
PAGE = 500

_HEADS = "SELECT id, last_seq FROM executions_execution WHERE id = ANY(%s)"

# What follows in each of several histories. Rows of one execution are found by one index scan, in order.
_FOLLOWING = f"""
SELECT e.execution_id, e.seq, e.event_type, e.step_id, e.path, e.timestamp, e.data
  FROM unnest(%s::uuid[], %s::int[]) AS known(id, seq)
 CROSS JOIN LATERAL (
    SELECT * FROM executions_event v WHERE v.execution_id = known.id AND v.seq > known.seq ORDER BY v.seq LIMIT {PAGE}
 ) AS e
 ORDER BY e.execution_id, e.seq
"""  # noqa: S608 - static text


class Readers:
    """Runs blocking functions in a pool of threads. A thread has at most one connection, while it works."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="streams")
        # However many come at the same time to open a stream, a thread is left for the news of those who have one.
        self._turns = asyncio.Semaphore(THREADS - 1)

    async def run_in_turn(self, function: Callable[[], T]) -> T:
        """As :meth:`run`, for what may wait: openings, and history."""
        async with self._turns:
            return await self.run(function)

    async def run(self, function: Callable[[], T]) -> T:
        # A context of its own: a request's id must not be on the log lines of whatever the thread does next.
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, _cleanly, function)


def _cleanly(function: Callable[[], T]) -> T:
    try:
        return function()
    finally:
        connections.close_all()  # gives it back to the pool


class OpeningRequest(ASGIRequest):
    """The request that opens a stream."""

    is_opening = True

    def __init__(self, scope: Scope) -> None:
        super().__init__(dict(scope), BytesIO())
        self.is_websocket = scope.get("is_websocket", False)


class OpeningHandler(BaseHandler):
    """Answers openings with all of Django's middleware, in the thread that asks."""

    def __init__(self) -> None:
        super().__init__()
        self._loading = threading.Lock()
        self._is_loaded = False

    def open(self, scope: Scope) -> HttpResponseBase:
        """Return what the view of the path says: a ``StreamResponse``, or why there is none."""
        with self._loading:
            if not self._is_loaded:
                self.load_middleware()
                self._is_loaded = True
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        try:
            request = OpeningRequest(scope)
        except UnicodeDecodeError:
            return HttpResponseBadRequest()
        response: HttpResponseBase = self.get_response(request)
        response.close()
        return response


def heads(execution_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the numbers of the last events of executions."""
    return dict(database.rows(_HEADS, (list(execution_ids),)))


def following(known: Mapping[UUID, int]) -> dict[UUID, list[Frame]]:
    """Return what comes after the events that are known, of each execution up to a page, in order."""
    found: dict[UUID, list[Frame]] = {}
    for execution_id, seq, event_type, step_id, path, at, data in database.rows(
        _FOLLOWING, (list(known), list(known.values()))
    ):
        event = Event(
            execution_id=execution_id,
            seq=seq,
            event_type=event_type,
            step_id=step_id,
            path=path,
            timestamp=at,
            data=data,
        )
        found.setdefault(execution_id, []).append(event_frame(event))
    return found


def still_visible(credential: Credential, execution_ids: Collection[UUID]) -> set[UUID] | None:
    """Return which of these executions may still be seen with a credential; None where it is good for nothing."""
    user = _holder(credential)
    if user is None:
        return None
    return set(Execution.objects.visible_to(user).filter(pk__in=execution_ids).values_list("pk", flat=True))


def _holder(credential: Credential) -> User | None:
    if credential.token_digest is not None:
        token = AuthToken.objects.select_related("user").filter(pk=credential.token_digest).first()
        if token is None or not token.user.is_active or (token.expiry is not None and token.expiry <= timezone.now()):
            return None
        holder: User = token.user
        return holder
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(credential.session_key)
    user = get_user(request)
    return user if user.is_authenticated and user.pk == credential.user_id else None
