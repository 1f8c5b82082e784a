"""A corpus of what no client should send. Nothing of it is a 5xx, nothing takes long, nothing is stored."""

from __future__ import annotations

import json
import time
from uuid import uuid4

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from executions.models import Execution, Project
from executions.tests.driving import Scripted, asking, drive
from executions.tests.engine_cast import open_gate, start
from executions.tests.engine_definitions import reviewed, single, stored

LIMIT_SECONDS = 2.0

DEEP = 100_000
NUL, HIGH, LOW = "\\u0000", "\\ud800", "\\udfff"

MALFORMED: dict[str, bytes] = {
    "a brace": b"{",
    "a bracket": b"[",
    "a quote": b'"',
    "text": b"hello",
    "two values": b"{} {}",
    "a trailing comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "a comment": b'{"a": 1} // b',
    "a byte order mark": b'\xef\xbb\xbf{"reason": "x"}',
    "utf-16": '{"reason": "x"}'.encode("utf-16"),
    "utf-32": '{"reason": "x"}'.encode("utf-32"),
    "latin-1": '{"reason": "é"}'.encode("latin-1"),
    "bytes that are no text": b"\xff\xfe\xfd\x00\x80",
    "half a character": b'{"reason": "\xe2\x82"}',
    "an encoded surrogate": b'{"reason": "\xed\xa0\x80"}',
    "an overlong slash": b'{"reason": "\xc0\xaf"}',
    "NUL bytes": b"\x00" * 100,
    "a raw NUL in a text": b'{"reason": "a\x00b"}',
    "a raw line break in a text": b'{"reason": "a\nb"}',
    "a bad escape": b'{"reason": "\\x41"}',
    "half an escape": b'{"reason": "\\u00"}',
    "NaN": b'{"budget_usd": NaN}',
    "Infinity": b'{"budget_usd": Infinity}',
    "-Infinity": b'{"budget_usd": -Infinity}',
    "1e400": b'{"budget_usd": 1e400}',
    "-1e999999999": b'{"budget_usd": -1e999999999}',
    "an integer of 5000 digits": b'{"budget_usd": ' + b"9" * 5_000 + b"}",
    "an integer of 500000 digits": b'{"budget_usd": ' + b"9" * 500_000 + b"}",
    "an integer of 401 digits": b'{"budget_usd": 1' + b"0" * 400 + b"}",
    "a leading zero": b'{"budget_usd": 01}',
    "a plus sign": b'{"budget_usd": +1}',
    "hex": b'{"budget_usd": 0x10}',
    "a key twice": b'{"reason": "a", "reason": "b"}',
    "a key twice, deep inside": b'{"initial_context": {"a": [{"b": 1, "b": 1}]}}',
    "a key twice, once escaped": b'{"reason": "a", "re\\u0061son": "b"}',
    "lists without end": b"[" * DEEP,
    "lists 100000 deep": b"[" * DEEP + b"]" * DEEP,
    "objects 100000 deep": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV\xaa\x05\x00",
    "a form": b"reason=x&status=completed",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
}

NO_OBJECT: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "zero": b"0",
    "a text": b'"x"',
    "an empty text": b'""',
    "an empty list": b"[]",
    "a list": b'[{"reason": "x"}]',
}

UNKNOWN: dict[str, bytes] = {
    name: json.dumps(value).encode()
    for name, value in {
        "status": {"status": "completed"},
        "cost": {"cost_usd": "0"},
        "owner": {"started_by": 1},
        "latest": {"is_latest": True},
        "prototype": {"__proto__": {"admin": True}},
        "class": {"__class__": "x", "self": "y", "data": "z"},
        "an empty key": {"": 1},
        "a key of spaces": {" reason": "x"},
        "a long key": {"x" * 100_000: 1},
        "a template": {"{{7*7}}": "{0.__class__}"},
        "format": {"%(x)s%n%s": 1},
        "markup": {"<script>alert(1)</script>": "</script>"},
        "sql": {"'; DROP TABLE executions_execution; --": "' OR 1=1"},
        "a path": {"../../etc/passwd": 1},
        "many": {f"k{number}": number for number in range(5_000)},
        "control characters": {"\x01\x02\x1b[31m": "\x7f"},
        "right to left": {"\u202ereason\u202c": "x"},
        "an emoji": {"\U0001f4a5": "\U0001f4a5"},
    }.items()
}

# The fields of each command, and a body that is right without them.
FIELDS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "start": (b'"project_id": "x"', ("initial_context", "budget_usd", "revision")),
    "retry": (b"", ("reason", "budget_usd")),
    "cancel": (b"", ("reason",)),
    "acceptance": (b'"decision": "accept"', ("accepted", "comment", "comments", "gate_id", "document_id")),
    "clarification": (b'"answers": {"WHO": "a"}', ("gate_id",)),
    "projects": (b'"project_id": "x"', ("name", "members")),
    "apollo": (b"", ("name", "members")),
}
NEEDED = {"start": "project_id", "acceptance": "decision", "clarification": "answers", "projects": "project_id"}
VALUES: dict[str, bytes] = {
    "NUL": f'"{NUL}"'.encode(),
    "NUL inside": f'"a{NUL}b"'.encode(),
    "half a surrogate pair": f'"{HIGH}"'.encode(),
    "the other half": f'"{LOW}"'.encode(),
    "halves the wrong way": f'"{LOW}{HIGH}"'.encode(),
    "NUL as a key": f'{{"{NUL}": 1}}'.encode(),
    "a surrogate as a key": f'{{"{HIGH}": {{"{LOW}": 1}}}}'.encode(),
    "NUL in a list": f'[[["{NUL}"]]]'.encode(),
    "65 levels": b"[" * 65 + b"]" * 65,
    "objects of 65 levels": b'{"a":' * 65 + b"1" + b"}" * 65,
    "500 levels": b'{"a":' * 500 + b"1" + b"}" * 500,
    "too many parts": b"[" + b"[1,1,1,1,1,1,1,1,1,1]," * 6_000 + b"1]",
    "too many items": b"[" + b"0," * 20_000 + b"0]",
    "a huge float": b"1e308",
    "a tiny float": b"1e-308",
    "minus zero": b"-0.0",
    "400 digits": b"9" * 400,
    "minus 400 digits": b"-" + b"9" * 399,
    "a long fraction": b"0." + b"1" * 10_000,
    "true": b"true",
    "null": b"null",
    "an empty list": b"[]",
    "an empty object": b"{}",
    "a list of nulls": b"[null, null]",
    "an empty text": b'""',
    "a space": b'" "',
    "a long text": b'"' + b"a" * 300_000 + b'"',
    "digits of another script": '"\u0661\u0662"'.encode(),
    "full-width digits": '"\uff11\uff12"'.encode(),
    "1e5 as text": b'"1e5"',
    "sNaN": b'"sNaN"',
    "a UUID in braces": f'"{{{uuid4()}}}"'.encode(),
    "a UUID as a URN": f'"urn:uuid:{uuid4()}"'.encode(),
    "a UUID": f'"{uuid4()}"'.encode(),
    "dots": b'".."',
    "an object of nulls": b'{"users": null, "groups": null, "WHO": null}',
    "users of all kinds": f'{{"users": ["{LOW}", 1, null, {{}}], "groups": [[]]}}'.encode(),
    "comments of all kinds": b'[{"path": null, "text": null}, [], 1, {"path": "~", "text": "a"}]',
}

QUERIES = [
    "%00", "x=%00", "=", "=1", "&&&", "?", "a" * 5_000 + "=1", "x=" + "a" * 50_000, "%ff=%ff", "x=%ed%a0%80",
    "&".join(f"x{number}=1" for number in range(2_000)), "x[]=1&x[a][b]=2", "x.y=1", "status[]=running",
    "status__in=running", "project__created_by__password__startswith=a", "ordering=started_by__password",
    "ordering=-", "ordering=?", "ordering=-,id", "ordering=random()", "page_size=1e3", "page_size=-1", "page_size=0x10",
    "page_size=99999999999999999999", "page_size=%D9%A1", "page_size=", "page_size=1;DROP TABLE", "cursor=%00",
    "cursor=" + "a" * 10_000, "cursor=bnVsbA:x", "cursor=:::", "cursor=eyJhIjoxfQ:AAAA", "limit=99999999999999999999",
    "after=99999999999999999999", "after=-5", "after=1e5", "after=%00", "after=%D9%A1", "after=NaN",
    "after=per_epic[A]", "format=json", "format=api", "token=abc", "fields=password", "search=x", "offset=1e9",
    "started_after=%00", "started_after=9999-12-31T23:59:59-23:59", "started_after=0000-00-00",
    "started_after=2026-13-01", "started_after=2026-01-01T25:00:00Z", "started_after=now", "started_after=1",
    "started_after=99999999-01-01", "started_before=-infinity", "started_before=epoch", "status=%00", "status=RUNNING",
    "status=running,failed", "status=running&status=failed", "kind=%00", "mine=%00", "mine=TRUE", "mine=2",
    "latest=null", "execution_id=%00", "execution_id=1", "version=99999999999999999999", "version=1.5", "version=%00",
    "scope_id=" + "a" * 5_000, "scope_id=%27%20OR%201=1", "project_id=%0a", "project_id=%F0%9F%92%A5",
    "workflow_id=..%2F..%2F", "document_type=%25", "x=${jndi:ldap://a}", "x=%3Cscript%3E", "x=%u0000", "x=%",
    "x=%E2%80%AE", "%2e%2e=1",
]  # fmt: skip


@pytest.fixture
def execution(db: None) -> Execution:
    """An execution in whose project one waits for answers and one for a decision; olga may do both."""
    asks = start(single())
    drive(asks, Scripted(note=asking()))
    stored(reviewed("operator"))
    waits = start(reviewed("operator"))
    drive(waits)
    assert open_gate(waits).roles == ["operator"]
    return waits


def commands(execution: Execution) -> list[tuple[str, str]]:
    other = Execution.objects.exclude(pk=execution.pk).get()
    return [
        ("POST", "/api/v1/workflows/test/start"),
        ("POST", f"/api/v1/executions/{execution.pk}/acceptance"),
        ("POST", f"/api/v1/executions/{other.pk}/clarification"),
        ("POST", f"/api/v1/executions/{execution.pk}/retry"),
        ("POST", "/api/v1/projects"),
        ("PATCH", "/api/v1/projects/apollo"),
        ("POST", f"/api/v1/executions/{execution.pk}/cancel"),
    ]


def send(client: APIClient, method: str, url: str, body: bytes) -> tuple[int, str]:
    """Send, and return the status and the problem's code; whatever came back is well-formed and was quick."""
    before = time.monotonic()
    answer = client.generic(method, url, body, content_type="application/json")  # type: ignore[arg-type] # bytes go too
    assert time.monotonic() - before < LIMIT_SECONDS
    assert answer.status_code < 500, (method, url, body[:100], answer.content[:500])
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json"
        assert len(answer.content) < 50_000
    return answer.status_code, answer.json().get("code", "")


def no_more_is_there_than_before() -> bool:
    return Execution.objects.count() == 2 and Project.objects.count() == 1


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_json_is_400_everywhere(olga: APIClient, execution: Execution, name: str) -> None:
    for method, url in commands(execution):
        status, code = send(olga, method, url, MALFORMED[name])
        assert (status, code) == (400, "MALFORMED_JSON"), url
    assert no_more_is_there_than_before()


@pytest.mark.parametrize("name", NO_OBJECT)
def test_what_is_no_object_is_422_everywhere(olga: APIClient, execution: Execution, name: str) -> None:
    for method, url in commands(execution):
        assert send(olga, method, url, NO_OBJECT[name]) == (422, "VALIDATION_ERROR"), url
    assert no_more_is_there_than_before()


@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_fields_are_422_everywhere(olga: APIClient, execution: Execution, name: str) -> None:
    for method, url in commands(execution):
        assert send(olga, method, url, UNKNOWN[name]) == (422, "VALIDATION_ERROR"), url
    assert no_more_is_there_than_before()


@pytest.mark.parametrize("name", VALUES)
def test_no_value_of_any_field_breaks_anything(olga: APIClient, execution: Execution, name: str) -> None:
    for method, url in commands(execution):
        command = url.rpartition("/")[2]
        right, optional = FIELDS[command]
        bodies = [b", ".join(filter(None, (right, f'"{field}": '.encode() + VALUES[name]))) for field in optional]
        if command in NEEDED:
            bodies.append(f'"{NEEDED[command]}": '.encode() + VALUES[name])
        for body in bodies:
            with transaction.atomic():
                send(olga, method, url, b"{" + body + b"}")
                transaction.set_rollback(True)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:40])
def test_no_query_breaks_anything(olga: APIClient, execution: Execution, query: str) -> None:
    urls = [
        "/api/v1/executions",
        f"/api/v1/executions/{execution.pk}",
        f"/api/v1/executions/{execution.pk}/events",
        f"/api/v1/executions/{execution.pk}/steps",
        "/api/v1/gates",
        "/api/v1/documents",
        "/api/v1/documents/by-scope/project/apollo/note",
        "/api/v1/projects",
    ]
    for url in urls:
        send(olga, "GET", f"{url}?{query}", b"")
    assert send(olga, "POST", f"/api/v1/executions/{execution.pk}/cancel?{query}&x=1", b"{}")[0] == 400


@pytest.mark.parametrize(
    "segment",
    [
        "%00", "%0a", "%0d%0aX-Injected:%201", "..", "%2e%2e", "%2f", "%ff", "%ed%a0%80", "a" * 5_000, "%25", "%", "+",
        "*", "'", "%27%20OR%201=1--", "{}", "%7B%7D", "null", "undefined", "NaN", "-1", "0", "1e5", "%F0%9F%92%A5",
        "%E2%80%AE", "a:b:c", ":", "::", "%3Cscript%3E", "$%7Bx%7D", ";", "a;b=c", "%5c", "~", "%20",
    ],
)  # fmt: skip
def test_no_path_breaks_anything(olga: APIClient, execution: Execution, segment: str) -> None:
    for url in (
        f"executions/{segment}",
        f"executions/{segment}/events",
        f"executions/{segment}/steps",
        f"gates/{segment}",
        f"documents/{segment}",
        f"documents/by-scope/{segment}/{segment}/{segment}",
        f"documents/by-scope/project/apollo/{segment}/versions",
        f"projects/{segment}",
        f"workflows/{segment}",
        f"workflows/test/steps/{segment}/schema",
    ):
        assert send(olga, "GET", f"/api/v1/{url}", b"")[0] == 404, url
    for url in (f"executions/{segment}/cancel", f"executions/{segment}/retry", f"workflows/{segment}/start"):
        assert send(olga, "POST", f"/api/v1/{url}", b"{}")[0] == 404, url


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "\x00"},
        {"Accept": "application/json;q=nan"},
        {"Accept": ",".join(["a/b"] * 2_000)},
        {"Accept-Language": "x" * 10_000},
        {"Cookie": "sessionid=" + "a" * 5_000},
        {"Cookie": 'csrftoken="\\000"; sessionid="\\377\\000aaaaaaaa"'},
        {"X-Request-ID": "\r\nX: 1"},
        {"If-None-Match": "*"},
        {"If-Match": '"x'},
        {"Range": "bytes=0-1"},
        {"X-HTTP-Method-Override": "DELETE"},
        {"Content-Encoding": "gzip"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "gopher"},
        {"Origin": "null"},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_no_header_breaks_anything(olga: APIClient, execution: Execution, headers: dict[str, str]) -> None:
    answer = olga.get("/api/v1/executions", headers=headers)
    assert answer.status_code < 500
