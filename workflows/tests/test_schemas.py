"""Schemas: what a value's problems look like, what the lint refuses, and that nothing hangs or is fetched."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.schema_graph import read_graph
from workflows.schemas import InvalidSchema, SchemaProblem, build_validator, lint_schema


def codes(schema: Any) -> list[str]:
    return [problem.code for problem in lint_schema(schema)]


def doubling(levels: int, leaf: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that checks its leaf 2 ** levels times."""
    definitions: dict[str, Any] = {
        f"l{level}": {"allOf": [{"$ref": f"#/$defs/l{level + 1}"}] * 2} for level in range(levels)
    }
    return {"$ref": "#/$defs/l0", "$defs": definitions | {f"l{levels}": leaf}}


def nested(depth: int, leaf: Any) -> Any:
    for _ in range(depth):
        leaf = {"c": leaf, "x": 1}
    return leaf


def test_a_value_that_matches_has_no_problems() -> None:
    assert build_validator({"type": "object"}).problems({"a": 1}) == []


def test_problems_have_a_json_pointer_the_keyword_and_a_text() -> None:
    schema = {"properties": {"a/b": {"items": {"type": "string"}}}, "required": ["c"]}
    assert set(build_validator(schema).problems({"a/b": ["x", 3]})) == {
        SchemaProblem(path="/a~1b/1", code="type", detail='3 is not of type "string"'),
        SchemaProblem(path="", code="required", detail='"c" is a required property'),
    }


def test_no_more_problems_than_asked_for_are_returned_and_each_once() -> None:
    validator = build_validator({"items": {"allOf": [{"type": "string"}, {"type": "string"}]}})
    assert len(validator.problems(list(range(100)))) == 20
    assert [problem.path for problem in validator.problems(list(range(100)), limit=3)] == ["/0", "/1", "/2"]


def test_a_message_that_quotes_a_whole_document_is_cut() -> None:
    problems = build_validator({"type": "array"}).problems({"text": "x" * 100_000})
    assert len(problems[0].detail) < 400


@pytest.mark.parametrize(
    ("name", "bad", "good"),
    [
        ("date", "2026-02-30", "2026-02-28"),
        ("date-time", "yesterday", "2026-02-28T10:00:00Z"),
        ("email", "x", "x@example.org"),
        ("uuid", "1", "9f3c1a9e-5d2f-4a1b-8c3d-2e1f0a9b8c7d"),
        ("uri", "no uri", "https://example.org"),
    ],
)
def test_formats_are_checked(name: str, bad: str, good: str) -> None:
    validator = build_validator({"format": name})
    assert [problem.code for problem in validator.problems(bad)] == ["format"]
    assert validator.problems(good) == []


def test_an_unknown_format_says_nothing() -> None:
    assert build_validator({"format": "epic-id"}).problems("anything") == []


def test_a_validator_is_built_once_for_equal_schemas() -> None:
    schema = {"type": "object", "title": "built once"}
    assert build_validator(schema) is build_validator(json.loads(json.dumps(schema)))


def test_building_from_a_bad_schema_raises_with_the_problems() -> None:
    with pytest.raises(InvalidSchema) as caught:
        build_validator({"type": "strin"})
    assert [problem.code for problem in caught.value.problems] == ["BAD_SCHEMA"]


def test_a_schema_without_end_is_refused_not_a_crash() -> None:
    schema: dict[str, Any] = {}
    for _ in range(50_000):
        schema = {"items": schema}
    with pytest.raises(InvalidSchema):
        build_validator(schema)


def test_a_value_that_is_no_json_is_a_problem_not_a_crash() -> None:
    assert build_validator({"type": "string"}).problems("\ud800")[0].code == "unreadable"
    value: Any = 1
    for _ in range(5000):
        value = [value]
    for schema in ({"items": {"$ref": "#"}}, {"items": {"$ref": "#"}, "contains": {"$ref": "#"}}):
        assert [problem.code for problem in build_validator(schema).problems(value)] == ["unreadable"]


@pytest.mark.parametrize(
    "dialect",
    [
        "https://json-schema.org/draft/2020-12/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "http://json-schema.org/draft-07/schema#",
        "http://json-schema.org/draft-07/schema",
        "http://json-schema.org/draft-06/schema#",
        "http://json-schema.org/draft-04/schema#",
    ],
)
def test_known_dialects_are_taken(dialect: str) -> None:
    assert codes({"$schema": dialect, "type": "object"}) == []


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        (None, "BAD_SCHEMA"),
        (True, "BAD_SCHEMA"),
        ([], "BAD_SCHEMA"),
        ({"type": "strin"}, "BAD_SCHEMA"),
        ({"properties": []}, "BAD_SCHEMA"),
        ({"$ref": "#/$defs/missing"}, "BAD_SCHEMA"),
        ({"$ref": "#missing"}, "BAD_SCHEMA"),
        ({"$ref": 3}, "BAD_SCHEMA"),
        ({"title": "a\x00"}, "BAD_TEXT"),
        ({"$schema": "http://example.org/x"}, "SCHEMA_DIALECT"),
        ({"$schema": 7}, "SCHEMA_DIALECT"),
        ({"$defs": {"a": {"$schema": "http://example.org/x"}}}, "SCHEMA_DIALECT"),
        ({"$ref": "http://example.org/x"}, "SCHEMA_REMOTE_REF"),
        ({"$ref": "file:///etc/passwd"}, "SCHEMA_REMOTE_REF"),
        ({"$ref": "other.json"}, "SCHEMA_REMOTE_REF"),
        ({"$ref": "other.json#/a"}, "SCHEMA_REMOTE_REF"),
        ({"$ref": "urn:x:y"}, "SCHEMA_REMOTE_REF"),
        ({"$dynamicRef": "http://example.org/x"}, "SCHEMA_REMOTE_REF"),
        ({"$defs": {"unused": {"$ref": "http://example.org/x"}}}, "SCHEMA_REMOTE_REF"),
        ({"properties": {"a": {"anyOf": [{"$ref": "//example.org/x"}]}}}, "SCHEMA_REMOTE_REF"),
        ({"pattern": "(?=a)"}, "SCHEMA_PATTERN"),
        ({"pattern": "(a)\\1"}, "SCHEMA_PATTERN"),
        ({"pattern": "("}, "SCHEMA_PATTERN"),
        ({"pattern": "(a{1000}){1000}"}, "SCHEMA_PATTERN"),
        ({"patternProperties": {"(?<=a)b": {}}}, "SCHEMA_PATTERN"),
        ({"uniqueItems": True}, "SCHEMA_UNIQUE_ITEMS"),
        ({"uniqueItems": True, "items": {"type": "object"}}, "SCHEMA_UNIQUE_ITEMS"),
        (doubling(20, {}), "SCHEMA_TOO_COMPLEX"),
        ({"properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}}, "SCHEMA_SLOW"),
    ],
)
def test_the_lint_names_what_is_wrong(schema: Any, code: str) -> None:
    assert codes(schema) == [code]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"$id": "https://example.org/me", "$ref": "https://example.org/me#/$defs/a", "$defs": {"a": {}}},
        {"$ref": "#a", "$defs": {"x": {"$anchor": "a"}}},
        {"$ref": "#/definitions/a~1b%25", "definitions": {"a/b%": {}}},
        {"properties": {"$ref": {"type": "string"}, "$schema": {"type": "string"}, "pattern": {"type": "string"}}},
        {"const": {"$ref": "http://example.org/x"}, "default": {"pattern": "(?=a)"}},
        {"uniqueItems": True, "items": {"type": "string"}},
        {"uniqueItems": True, "maxItems": 10},
        {"pattern": "^(a+)+$"},
        {"properties": {"children": {"items": {"$ref": "#"}}}},
        {"$ref": "#"},
    ],
)
def test_the_lint_leaves_good_schemas_alone(schema: dict[str, Any]) -> None:
    assert codes(schema) == []
    build_validator(schema).problems({"children": [{}]})


def test_all_mistakes_of_a_schema_are_named_in_one_pass() -> None:
    schema = {
        "$schema": "http://example.org/x",
        "properties": {"a": {"$ref": "http://example.org/y"}, "b": {"pattern": "(?=a)"}},
        "uniqueItems": True,
    }
    assert {(problem.code, problem.path) for problem in lint_schema(schema)} == {
        ("SCHEMA_DIALECT", "$.$schema"),
        ("SCHEMA_REMOTE_REF", "$.properties.a.$ref"),
        ("SCHEMA_PATTERN", "$.properties.b.pattern"),
        ("SCHEMA_UNIQUE_ITEMS", "$.uniqueItems"),
    }


class Listener:
    """A socket on the loopback that counts who connects."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port = self._socket.getsockname()[1]
        self.seen = 0
        self._is_open = True
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while self._is_open:
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            self.seen += 1
            connection.close()

    def close(self) -> None:
        self._is_open = False
        self._thread.join()
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def test_a_listener_that_a_schema_points_to_sees_nothing(listener: Listener) -> None:
    url = f"http://127.0.0.1:{listener.port}/schema.json"
    for schema in (
        {"$ref": url},
        {"$schema": url},
        {"$id": url, "$ref": "other.json"},
        {"$id": url, "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}},
        {"$defs": {"a": {"$id": url, "$schema": url, "$ref": "b"}}},
        {"$dynamicRef": url},
        {"$recursiveRef": url, "$schema": "https://json-schema.org/draft/2019-09/schema"},
        {"$vocabulary": {url: True}},
        {"unknown": {"$ref": url}},
        {"items": [{"$ref": f"{url}#/a"}], "$schema": "http://json-schema.org/draft-07/schema#"},
    ):
        lint_schema(schema)
        try:
            validator = build_validator(schema)
        except InvalidSchema:
            continue
        validator.problems({"a": 1})
    socket.create_connection(("127.0.0.1", listener.port)).close()
    time.sleep(0.3)
    assert listener.seen == 1  # our own


def _cpu_seconds() -> float:
    """Return what this process and those that it has waited for have worked, however many others do."""
    return sum(os.times()[:4])


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 50_000 + "!"),
        ({"pattern": "^(a|a)*$"}, "a" * 50_000 + "!"),
        ({"pattern": "(.*)(.*)(.*)(.*)(.*)x$"}, "y" * 20_000),
        ({"patternProperties": {"^(a+)+$": {}}}, {"a" * 10_000 + "!": 1}),
        ({"uniqueItems": True}, [{"a": index} for index in range(20_000)]),
        ({"properties": {"c": {"$ref": "#"}}}, nested(400, {})),
        (doubling(15, {"type": "string"}), 1),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, 1),
        ({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, 1),
        ({"items": {"type": "string"}}, list(range(40_000))),
    ],
)
def test_no_schema_hangs_its_caller(schema: dict[str, Any], value: Any) -> None:
    started = _cpu_seconds()
    build_validator(schema).problems(value)
    assert _cpu_seconds() - started < 5


@pytest.mark.slow
def test_a_schema_that_doubles_with_every_level_ends_at_the_deadline() -> None:
    schema = {"properties": {"c": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}, "required": ["x"]}
    validator = build_validator(schema)
    assert validator.is_bounded is False
    assert validator.problems(nested(3, {"x": 1})) == []
    assert [problem.path for problem in validator.problems(nested(3, {}))] == ["/c/c/c"]
    started = time.monotonic()
    assert [problem.code for problem in validator.problems(nested(50, {}))] == ["timeout"]
    assert time.monotonic() - started < 8


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {str(index): {"$ref": f"#/$defs/{index + 1}"} for index in range(15_000)}, "$ref": "#/$defs/0"},
        {"x": {str(index): {"$ref": f"#/x/{index + 1}"} for index in range(15_000)}, "$ref": "#/x/0"},
        {"$defs": {str(i): {"$anchor": f"a{i}", "$ref": f"#a{i + 1}"} for i in range(9_000)}, "$ref": "#a0"},
        {"properties": {str(index): {"$ref": "#"} for index in range(15_000)}},
        {"enum": ["x" * 1000] * 4000},
    ],
)
def test_the_lint_of_a_huge_schema_takes_no_more_than_seconds(schema: dict[str, Any]) -> None:
    started = _cpu_seconds()
    lint_schema(schema)
    assert _cpu_seconds() - started < 5


def test_the_cost_of_a_schema_counts_the_checks_at_one_place() -> None:
    assert read_graph({}).cost == 1
    assert read_graph(doubling(3, {})).cost == 1 + 1 + 2 * (1 + 1 + 2 * (1 + 1 + 2 * (1 + 1)))
    assert read_graph({"properties": {"a": {"items": {"$ref": "#"}}}}).is_bounded is True
    assert read_graph({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}).is_bounded is False


_schema_keys = st.sampled_from(
    [
        *("$ref", "$id", "$schema", "$defs", "$anchor", "type", "properties", "items", "allOf", "anyOf", "not"),
        *("pattern", "patternProperties", "uniqueItems", "enum", "const", "required", "format", "if", "then"),
    ]
)
_texts = st.sampled_from(["#", "#/$defs/a", "#a", "x", "string", "^a$", "(", "date"]) | st.text(max_size=5)
_schemas = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_schema_keys | st.just("a"), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(schema=_schemas, value=_schemas)
def test_no_schema_and_no_value_make_the_validator_crash(schema: Any, value: Any) -> None:
    problems = lint_schema(schema)
    if not any(problem.severity == "error" for problem in problems):
        for problem in build_validator(schema).problems(value):
            assert isinstance(problem.path, str)
