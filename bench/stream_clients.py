"""The other end of bench/streams.py, in processes of their own: watchers, silent clients, and the bare echo.

python -m bench.stream_clients watch HOST PORT PATHS COUNT TOKEN     opens COUNT streams, notes when each frame comes
python -m bench.stream_clients silent HOST PORT PATHS COUNT TOKEN    opens COUNT streams and reads nothing of them
python -m bench.stream_clients echo PORT                             Daphne with an application that echoes

PATHS are separated by commas; the streams take them in turns. Clients print a line when all streams are open; on a
line of input, watchers print what they have noted, and all end at the end of input.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import socket
import sys
import time
from typing import Any

_ID = re.compile(rb"\nid: (\d+)\n")


class Watching(asyncio.Protocol):
    """One stream: when which event came."""

    def __init__(self, request: bytes, notes: list[tuple[int, float]], opened: asyncio.Event) -> None:
        self._request = request
        self._notes = notes
        self._opened = opened
        self._rest = b"\n"

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._rest += data
        if b"data:" in data:
            self._opened.set()
        end = 0
        for found in _ID.finditer(self._rest):
            self._notes.append((int(found[1]), now))
            end = found.end() - 1
        self._rest = self._rest[max(end, len(self._rest) - 64) :]


def request_for(host: str, path: str, token: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}", "Accept: text/event-stream")
    return "\r\n".join([*lines, "", ""]).encode()


async def watch(host: str, port: int, paths: list[str], count: int, token: str) -> None:
    loop = asyncio.get_running_loop()
    notes: list[tuple[int, float]] = []
    for number in range(0, count, 50):
        opened = [asyncio.Event() for _ in range(min(50, count - number))]
        for index, event in enumerate(opened):
            request = request_for(host, paths[(number + index) % len(paths)], token)
            await loop.create_connection(lambda r=request, e=event: Watching(r, notes, e), host, port)  # type: ignore[misc]
        await asyncio.gather(*(event.wait() for event in opened))
    print("open", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(notes), flush=True)


def silent(host: str, port: int, paths: list[str], count: int, token: str) -> None:
    clients = []
    for number in range(count):
        client = socket.create_connection((host, port))
        client.sendall(request_for(host, paths[number % len(paths)], token))
        clients.append(client)
    print("open", flush=True)
    while sys.stdin.readline():
        print("[]", flush=True)


def echo(port: int) -> None:
    """Every GET is a stream; the body of every POST is sent to all of them."""
    from bench.echo import run  # noqa: PLC0415 - a Twisted reactor, which clients need not have

    run(port)


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    match sys.argv[1:]:
        case ["watch", host, port, paths, count, token]:
            asyncio.run(watch(host, int(port), paths.split(","), int(count), token))
        case ["silent", host, port, paths, count, token]:
            silent(host, int(port), paths.split(","), int(count), token)
        case ["echo", port]:
            echo(int(port))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
