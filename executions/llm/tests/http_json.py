"""JSON over HTTP to a server of ours, without a client library between the test and the answer."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


def ask(port: int, path: str, body: Any = None) -> Answer:
    """GET ``path``, or POST ``body`` (JSON, or bytes as they are). :raises OSError: if nothing listens there."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET" if data is None else "POST", path, data)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, json.loads(answer.read()))
