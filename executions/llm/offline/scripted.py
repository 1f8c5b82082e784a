"""The test model: a Messages API server that does what a test tells it to, faults included.

It is a real server on a real socket, in a thread (:class:`ScriptedModel`) or in its own process
(``python -m executions.llm.offline.scripted --port 0``, which prints its port). Every request is in its
journal with when it was answered or when the other side hung up, so a test can count the calls of a
prompt and see a connection being closed. Over HTTP:

- ``GET /_journal`` and ``GET /_stats`` (the same without the requests); ``POST /_reset`` forgets all.
- ``POST /_script``: ``{"rules": [{"match": text or list, "unless"?, "times"?, ...reply}], "default": {...reply},
  "items": 3, "keep": false}``. A reply's keys are those of :class:`~executions.llm.offline.replies.Reply`, and
  ``json``. The first rule that takes the prompt answers; without one the default does, which is a document
  true to the schema that was asked for. ``keep`` puts the new rules before the old ones.

Times in the journal are of the system's monotonic clock, which processes of one machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Self

from executions.llm.offline import sse
from executions.llm.offline.replies import DocumentWriter, Reply, Rule
from executions.llm.offline.transmission import End, Transmission
from executions.llm.offline.wire import HttpConnection, HttpRequest
from executions.llm.values import JSON, body_digest

Script = Callable[[JSON, int], Reply]

_STEP = re.compile(r'<data_block kind="step" path="([^"]*)"')
_TYPE = re.compile(r'<output_contract document_type="([^"]*)"')


@dataclass(slots=True, kw_only=True)
class JournalEntry:
    """One request for a message, with when its answer ended: in one of three ways.

    ``finished``: all of it was written, message_stop included; ``faulted_at``: a fault was played to its end;
    ``disconnected_at``: the other side hung up first. ``usage`` is what the whole answer comes to; that much is charged
    for one that is finished.
    """

    n: int
    digest: str
    model: str
    step_path: str
    document_type: str
    rule: str
    started: float
    finished: float | None = None
    faulted_at: float | None = None
    disconnected_at: float | None = None
    message_id: str = ""
    usage: JSON = field(default_factory=dict)


class ScriptedModel:
    """The test model. As a context manager it serves from a thread of its own."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        rules: Sequence[Rule] = (),
        default: Reply | None = None,
        item_count: int = 3,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.script = script
        self.rules = list(rules)
        self.default = default or Reply()
        self.journal: list[JournalEntry] = []
        self.bodies: list[JSON] = []
        self.max_in_flight = 0
        self.finished_count = 0
        self._host = host
        self._port = port
        self._in_flight = 0
        self._writer = DocumentWriter(item_count)
        self._connections: set[HttpConnection] = set()
        self._keeps_bodies = False
        self._held_path: str | None = None
        self._held: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def base_url(self) -> str:
        return f"http://{self._host}:{self._port}"

    @property
    def in_flight(self) -> int:
        return self._in_flight

    async def serve(self) -> asyncio.Server:
        """Start to listen on the running event loop; sets the port that was free."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: HttpConnection(self._handle, self._connections), self._host, self._port, backlog=1024
        )
        self._port = server.sockets[0].getsockname()[1]
        return server

    def __enter__(self) -> Self:
        self._keeps_bodies = True
        is_ready = threading.Event()
        self._thread = threading.Thread(target=self._serve_in_thread, args=(is_ready,), daemon=True)
        self._thread.start()
        is_ready.wait(10)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _serve_in_thread(self, is_ready: threading.Event) -> None:
        loop = self._loop = asyncio.new_event_loop()
        server = loop.run_until_complete(self.serve())
        is_ready.set()
        loop.run_forever()
        server.close()
        for connection in list(self._connections):
            connection.abort()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def set_script(self, data: Mapping[str, Any]) -> None:
        """Replace the rules (or, with ``keep``, put new ones first) and the default. :raises ValueError:"""
        rules = [Rule.from_json(rule) for rule in data.get("rules", ())]
        self.rules = [*rules, *self.rules] if data.get("keep") else rules
        if "default" in data:
            self.default = Reply.from_json(data["default"])
        if "items" in data:
            self._writer.item_count = int(data["items"])

    @contextmanager
    def held(self, path: str = "") -> Iterator[None]:
        """Leave the steps without an answer whose path begins so; at the end they get it, all at once.

        For a model that serves from its thread: so a test has the time to do something to calls in flight.
        """
        assert self._loop is not None
        self._held_path = path
        try:
            yield
        finally:
            self._held_path = None
            self._loop.call_soon_threadsafe(self._let_go)

    def _let_go(self) -> None:
        held, self._held = self._held, []
        for begin in held:
            begin()

    def reset(self) -> None:
        """Forget the journal and the rules; calls in flight go on."""
        self.journal, self.bodies, self.rules, self.default = [], [], [], Reply()
        self.max_in_flight, self.finished_count = self._in_flight, 0

    def stats(self) -> JSON:
        """Return the counts of the journal, and the clock that its times are read from."""
        return {
            "request_count": len(self.journal),
            "finished_count": self.finished_count,
            "in_flight": self._in_flight,
            "max_in_flight": self.max_in_flight,
            "connection_count": len(self._connections),
            "now": time.monotonic(),
        }

    def _handle(self, connection: HttpConnection, request: HttpRequest) -> None:
        if request.method == "POST" and request.path.startswith("/v1/messages/count_tokens"):
            connection.respond(200, json.dumps({"input_tokens": len(request.body) // 4}).encode())
        elif request.method == "POST" and request.path.startswith("/v1/messages"):
            self._answer(connection, json.loads(request.body))
        elif request.path == "/_journal":
            report = {"requests": [asdict(entry) for entry in self.journal], **self.stats()}
            connection.respond(200, json.dumps(report).encode())
        elif request.path in ("/_stats", "/livez"):
            connection.respond(200, json.dumps(self.stats()).encode())
        elif request.path == "/_script" and request.method == "POST":
            self._take_script(connection, request.body)
        elif request.path == "/_reset" and request.method == "POST":
            self.reset()
            connection.respond(200, b"{}")
        else:
            connection.respond(404, sse.error_body("not_found_error", "no such address"))

    def _take_script(self, connection: HttpConnection, body: bytes) -> None:
        try:
            self.set_script(json.loads(body))
        except (ValueError, TypeError, KeyError) as error:
            connection.respond(400, sse.error_body("invalid_request_error", str(error)))
        else:
            connection.respond(200, b"{}")

    def _answer(self, connection: HttpConnection, body: JSON) -> None:
        number = len(self.journal) + 1
        prompt = sse.prompt_text(body)
        reply, rule_name = self._choose(body, prompt, number)
        path, doc_type = _STEP.search(prompt), _TYPE.search(prompt)
        entry = JournalEntry(
            n=number,
            digest=body_digest(body),
            model=body.get("model", ""),
            step_path=path[1] if path else "",
            document_type=doc_type[1] if doc_type else "",
            rule=rule_name,
            started=time.monotonic(),
        )
        self.journal.append(entry)
        if self._keeps_bodies:
            self.bodies.append(body)
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        text = reply.text if reply.text is not None else self._writer.text_for(body)
        answer = Transmission(connection, body, reply, text, number, on_end=lambda end: self._ended(entry, end))
        entry.message_id, entry.usage = answer.message_id, answer.usage
        if self._held_path is not None and entry.step_path.startswith(self._held_path):
            self._held.append(answer.begin)
        else:
            answer.begin()

    def _choose(self, body: JSON, prompt: str, number: int) -> tuple[Reply, str]:
        if self.script is not None:
            return self.script(body, number), "script"
        for index, rule in enumerate(self.rules):
            if rule.takes(prompt):
                return rule.use(), rule.name or f"rule {index + 1}"
        return self.default, "default"

    def _ended(self, entry: JournalEntry, end: End) -> None:
        self._in_flight -= 1
        if end is End.FINISHED:
            entry.finished = time.monotonic()
            self.finished_count += 1
        elif end is End.FAULTED:
            entry.faulted_at = time.monotonic()
        else:
            entry.disconnected_at = time.monotonic()


def replies_in_order(*replies: Reply) -> Script:
    """Return a script that gives each reply once; a call too many is answered with status 400 and says so."""
    exhausted = Reply(fault="status:400", error_type="invalid_request_error", error_message="the script has ended")

    def script(body: JSON, number: int) -> Reply:
        return replies[number - 1] if number <= len(replies) else exhausted

    return script


async def _serve_until_told(model: ScriptedModel, *, watches_stdin: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    await model.serve()
    if watches_stdin:
        loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 1024) else stop.set())
    sys.stdout.write(f"{model.base_url.rsplit(':', 1)[1]}\n")
    sys.stdout.flush()
    await stop.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m executions.llm.offline.scripted", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free; it is printed")
    parser.add_argument("--start-delay", type=float, default=0.0, help="seconds before the answer's head")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before the first text")
    parser.add_argument("--chunks", type=int, default=1, help="pieces that a text is sent in")
    parser.add_argument("--chunk-delay", type=float, default=0.0, help="seconds between pieces")
    parser.add_argument("--items", type=int, default=3, help="items in a generated collection")
    parser.add_argument("--script", help="a JSON file as for POST /_script")
    parser.add_argument("--exit-on-eof", action="store_true", help="stop when standard input is closed")
    options = parser.parse_args(arguments)
    default = Reply(
        start_delay=options.start_delay,
        delay=options.delay,
        chunk_count=options.chunks,
        chunk_delay=options.chunk_delay,
    )
    model = ScriptedModel(default=default, item_count=options.items, host=options.host, port=options.port)
    if options.script:
        with open(options.script, encoding="utf-8") as file:
            model.set_script(json.load(file))
    asyncio.run(_serve_until_told(model, watches_stdin=options.exit_on_eof))


if __name__ == "__main__":
    main()
