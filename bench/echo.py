"""The floor of bench/streams.py: Daphne, and an application that sends what it is sent to everybody, and no more."""

from __future__ import annotations

# Daphne first: it chooses the Twisted reactor at import.
from daphne.server import Server  # isort: skip

import asyncio
from typing import Any

_streams: set[Any] = set()
_HEADERS = [(b"Content-Type", b"text/event-stream")]


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["method"] == "GET":
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b"data: {}\n\n", "more_body": True})
        _streams.add(send)
        await asyncio.Event().wait()
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    for stream in list(_streams):
        await stream({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def run(port: int) -> None:
    Server(application, endpoints=[f"tcp:port={port}:interface=127.0.0.1"], verbosity=0).run()
