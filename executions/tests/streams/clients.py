"""Clients that are nobody's library: server-sent events read off a socket line by line, and a WebSocket."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One frame: what its fields say, and its data."""

    event: str
    id: str | None
    data: JSON


class EventSource:
    """One answer of the stream. ``comments`` are what came beside frames, ``retry`` the time to wait in between."""

    def __init__(
        self,
        host: str,
        execution_id: object,
        headers: Mapping[str, str],
        *,
        last_id: object = None,
        query: str = "",
        timeout: float = 30,
        method: str = "GET",
    ) -> None:
        self._connection = http.client.HTTPConnection(host, timeout=timeout)
        given = {**headers, "Accept": "text/event-stream"}
        if last_id is not None:
            given["Last-Event-ID"] = str(last_id)
        self._connection.request(method, f"/api/v1/executions/{execution_id}/stream{query}", headers=given)
        self.response = self._connection.getresponse()
        self.status = self.response.status
        self.headers = self.response.headers
        self.comments: list[str] = []
        self.retry: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.response.close()
        self._connection.close()

    def problem(self) -> JSON:
        """Return the body of a refusal."""
        problem: JSON = json.loads(self.response.read())
        return problem

    def frames(self) -> Iterator[Received]:
        """Yield frames until the server ends the answer."""
        fields: dict[str, str] = {}
        while line := self.response.readline():
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.comments.append(text[1:].strip())
            elif text:
                name, _, value = text.partition(":")
                fields[name] = value.removeprefix(" ")
            else:
                if "retry" in fields:
                    self.retry = int(fields.pop("retry"))
                if "data" in fields:
                    yield Received(event=fields["event"], id=fields.get("id"), data=json.loads(fields["data"]))
                fields = {}

    def take(self, count: int) -> list[Received]:
        """Return the next frames, so many."""
        frames = self.frames()
        return [next(frames) for _ in range(count)]

    def events(self) -> Iterator[Received]:
        """Yield the frames that are events."""
        return (frame for frame in self.frames() if frame.id is not None)


class Socket:
    """A WebSocket on an execution. ``code`` is that of its end, once it has ended."""

    def __init__(
        self,
        host: str,
        execution_id: object,
        headers: Mapping[str, str],
        *,
        query: str = "",
        path: str = "/ws/executions/",
        **options: Any,
    ) -> None:
        self._connecting = connect(
            f"ws://{host}{path}{execution_id}{query}",
            additional_headers=dict(headers),
            max_size=None,
            open_timeout=30,
            proxy=None,
            **options,
        )
        self.code: int | None = None

    def __enter__(self) -> Self:
        self.connection = self._connecting.__enter__()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connecting.__exit__(exc_type, exc, traceback)

    def frames(self, timeout: float = 30) -> Iterator[JSON]:
        while True:
            try:
                yield json.loads(self.connection.recv(timeout=timeout))
            except ConnectionClosed as end:
                self.code = end.rcvd.code if end.rcvd is not None else None
                return

    def take(self, count: int) -> list[JSON]:
        frames = self.frames()
        return [next(frames) for _ in range(count)]
