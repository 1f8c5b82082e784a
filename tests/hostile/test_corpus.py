"""Every entry of the corpus, on every endpoint that it fits: answered at once, as it says, and never by a defect."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpResponse
from knox.models import AuthToken
from rest_framework.test import APIClient

from executions.tests.engine_cast import person
from tests.hostile.corpus import DATA, Answer, Entry, body_of, complaint, entries, shape_complaint, text_of
from tests.hostile.endpoints import API, Endpoint, World, every_route, nothing_was_made, routes

# Of this thread's own work, so that a busy machine fails no test.
LIMIT_SECONDS = 1.0
JSON = "application/json"


class Caller:
    """Sends entries as olga, and collects what is wrong with the answers: all of it is told at once."""

    def __init__(self) -> None:
        self.world = World()
        _, self.token = AuthToken.objects.create(person("olga"))
        self.client = APIClient(headers={"Authorization": f"Bearer {self.token}"})
        self.stranger = APIClient()
        self.client.raise_request_exception = self.stranger.raise_request_exception = False
        self.complaints: list[str] = []
        self.sent = 0

    def send(self, endpoint: Endpoint, entry: Entry, **request: Any) -> None:
        """Send one request, and undo what it has done."""
        self._note(endpoint, entry, complaint(entry, self._ask(endpoint, **request), limit=LIMIT_SECONDS))

    def look(self, endpoint: Endpoint, entry: Entry, **request: Any) -> None:
        """The same, for endpoints that the entry was not written for: only the shape of the answer counts."""
        self._note(endpoint, entry, shape_complaint(self._ask(endpoint, **request)))

    def _note(self, endpoint: Endpoint, entry: Entry, found: str | None) -> None:
        if found is not None:
            what = f"{entry['name']} {entry.get('field', '')}".strip()
            self.complaints.append(f"{what}: {endpoint.method} {endpoint.path[:120]} {found}")

    def _ask(self, endpoint: Endpoint, *, body: bytes = b"", query: str = "", **extra: Any) -> Answer:
        self.sent += 1
        content_type = extra.pop("content_type", JSON if body or endpoint.method in ("POST", "PATCH") else "")
        url = f"{endpoint.path}?{query}" if query else endpoint.path
        client = extra.pop("client", self.client)
        begun = time.thread_time()
        with transaction.atomic():
            answer = client.generic(endpoint.method, url, body, content_type=content_type, **extra)
            transaction.set_rollback(True)
        return _answer(answer, time.thread_time() - begun)


def _answer(answer: HttpResponse, seconds: float) -> Answer:
    return Answer(
        status=answer.status_code,
        content_type=answer.headers.get("Content-Type", ""),
        request_id=answer.headers.get("X-Request-ID"),
        content=b"" if answer.streaming else answer.content,
        seconds=seconds,
    )


@pytest.fixture
def caller(db: None) -> Iterator[Caller]:
    """A caller whose complaints fail the test in the end."""
    caller = Caller()
    yield caller
    assert nothing_was_made()
    assert caller.sent > 0
    assert not caller.complaints, "\n".join([f"{len(caller.complaints)} of {caller.sent}:", *caller.complaints[:40]])


def headers_of(entry: Entry) -> dict[str, str]:
    return {name: text_of(value) for name, value in entry.get("headers", {}).items()}


def test_the_corpus_is_large_and_its_entries_have_names_of_their_own() -> None:
    names = [path.stem for path in DATA.glob("*.jsonl")]
    corpus = [
        (name, entry["name"], str(entry.get("on")), entry.get("field")) for name in names for entry in entries(name)
    ]
    assert len(corpus) > 1000
    assert len(set(corpus)) == len(corpus)


def test_bodies(caller: Caller) -> None:
    for entry in entries("bodies"):
        for endpoint in caller.world.commands.values():
            caller.send(endpoint, entry, body=body_of(entry))


def test_content_types_and_encodings(caller: Caller) -> None:
    for entry in entries("content"):
        for endpoint in caller.world.commands.values():
            content_type = entry.get("content_type", JSON)
            caller.send(endpoint, entry, body=body_of(entry), content_type=content_type, headers=headers_of(entry))


def test_fields(caller: Caller) -> None:
    for entry in entries("fields"):
        endpoint = caller.world.commands[entry["on"]]
        right = {name: json.dumps(value) for name, value in json.loads("{" + endpoint.right + "}").items()}
        members = right | {entry["field"]: text_of(entry["value"])}
        body = "{" + ", ".join(f'"{name}": {value}' for name, value in members.items()) + "}"
        caller.send(endpoint, entry, body=body.encode())


def test_every_field_of_every_body_is_in_the_corpus() -> None:
    from executions.api import bodies  # noqa: PLC0415

    covered: dict[str, set[str]] = {}
    for entry in entries("fields"):
        covered.setdefault(entry["on"], set()).add(entry["field"])
    for name, body in {
        "start": bodies.StartBody,
        "cancel": bodies.CancelBody,
        "retry": bodies.RetryBody,
        "acceptance": bodies.AcceptanceBody,
        "clarification": bodies.ClarificationBody,
        "projects": bodies.ProjectBody,
        "project": bodies.ProjectChangeBody,
    }.items():
        assert set(body().fields) <= covered[name], name


def test_queries(caller: Caller) -> None:
    for entry in entries("queries"):
        for endpoint in caller.world.named(entry["on"]):
            caller.send(endpoint, entry, query=text_of(entry["query"]))


def test_ids(caller: Caller) -> None:
    places = [
        ("GET", "executions/{}/events"),
        ("GET", "gates/{}"),
        ("GET", "documents/{}"),
        ("GET", "documents/by-scope/{0}/{0}/{0}"),
        ("GET", "projects/{}"),
        ("GET", "workflows/test/steps/{}/schema"),
        ("POST", "executions/{}/cancel"),
        ("POST", "workflows/{}/start"),
    ]
    for entry in entries("ids"):
        for method, place in places:
            path = f"{API}/{place.format(text_of(entry['segment']))}"
            body = b'{"project_id": "x"}' if place.endswith("start") else b""
            caller.send(Endpoint(method=method, path=path), entry, body=body)


def test_paths(caller: Caller) -> None:
    for entry in entries("paths"):
        for method in ("GET", "POST"):
            caller.send(Endpoint(method=method, path=text_of(entry["path"])), entry)


def test_headers(caller: Caller) -> None:
    for entry in entries("headers"):
        for endpoint in caller.world.named(entry["on"]):
            wanted = entry if endpoint.path != f"{API}/nothing" or entry["code"] else {**entry, "status": 404}
            caller.send(endpoint, wanted, headers=headers_of(entry))


def test_methods(caller: Caller) -> None:
    for entry in entries("methods"):
        for endpoint in caller.world.named(entry["on"], entry["method"]):
            caller.send(
                Endpoint(method=entry["method"], path=endpoint.path),
                entry,
                body=body_of(entry),
                query=entry.get("query", ""),
            )


def test_credentials(caller: Caller) -> None:
    for entry in entries("credentials"):
        header = text_of(entry["authorization"])
        header = header.replace("{token}", caller.token).replace("{TOKEN}", caller.token.upper())
        header = header.replace("{short}", caller.token[:-1])
        for name in ("executions", "execution", "project"):
            caller.send(caller.world.reads[name], entry, client=caller.stranger, headers={"Authorization": header})


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_route_that_there_is(caller: Caller, method: str) -> None:
    """Also those that no entry names: each gets some of everything."""
    some = {name: entries(name)[::12] for name in ("bodies", "queries")}
    found = [each for each in every_route(caller.world) if (each.method == "GET") == (method == "GET")]
    assert len(found) >= (15 if method == "GET" else 7)
    for endpoint in found:
        if endpoint.path == f"{API}/schema":  # made anew for each request, which takes its time
            caller.look(endpoint, {"name": "a parameter"}, query="x=%00")
            continue
        for entry in some["queries"] if method == "GET" else ():
            caller.look(endpoint, entry, query=text_of(entry["query"]))
        for entry in some["bodies"] if method != "GET" else ():
            caller.look(endpoint, entry, body=body_of(entry))


def test_hostile_ids_in_every_route_that_there_is(caller: Caller) -> None:
    some = entries("ids")[::6]
    for route, methods in routes():
        before, *after = _parts(route)
        for entry in some if after else ():
            path = before + "".join(text_of(entry["segment"]) + part for part in after)
            for method in methods:
                caller.look(Endpoint(method=method, path=path), entry, body=b"" if method == "GET" else b"{}")


def _parts(route: str) -> list[str]:
    """Split a route at its ids."""
    parts, rest = [], route
    while "<" in rest:
        before, _, rest = rest.partition("<")
        parts.append(before)
        rest = rest.partition(">")[2]
    return [*parts, rest]


def test_without_credentials_nothing_is_read_at_all(caller: Caller) -> None:
    """Hostile or not: 401, before any body or parameter is looked at."""
    expected = {"name": "anonymous", "status": 401, "code": "NOT_AUTHENTICATED"}
    for entry in entries("bodies")[::10]:
        for endpoint in caller.world.commands.values():
            caller.send(endpoint, expected, body=body_of(entry), client=caller.stranger)
    for entry in entries("queries")[::20]:
        for endpoint in caller.world.reads.values():
            caller.send(endpoint, expected, query=text_of(entry["query"]), client=caller.stranger)
