"""The OpenAPI document is complete, says what is true, and is the one that is checked in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from rest_framework.test import APIClient

from combine.api.openapi.document import TAGS
from combine.api.openapi.links import LINKS
from combine.api.openapi.problems import MEANINGS
from combine.api.openapi.views import document
from combine.api.problems import MEDIA_TYPE
from combine.env import BASE_DIR
from executions import exceptions
from executions.api import exceptions as api_exceptions
from tests.openapi_document import JSON, METHODS, Operation, operations, problems_of, resolved

CHECKED_IN = BASE_DIR / "docs" / "openapi.json"
NO_BODY = {"204", "304"}

every_operation = pytest.mark.parametrize("each", operations(), ids=lambda each: each.id)


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield everything in the document, with where it is."""
    yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from walk(inner, f"{path}/{key}")


def test_it_is_made_without_a_warning_is_valid_and_is_the_one_that_is_checked_in(tmp_path: Path) -> None:
    made = tmp_path / "openapi.json"
    call_command("spectacular", format="openapi-json", file=str(made), validate=True, fail_on_warn=True)
    is_same = CHECKED_IN.exists() and made.read_text() == CHECKED_IN.read_text()
    assert is_same, "docs/openapi.json is not what the code says; refresh it: make openapi"


def test_it_is_openapi_3_1() -> None:
    assert document()["openapi"] == "3.1.0"


@every_operation
def test_every_call_has_a_name_of_its_own_a_summary_a_description_and_a_known_tag(each: Operation) -> None:
    assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", each.id)
    assert [other.id for other in operations()].count(each.id) == 1
    assert each.content["summary"]
    assert each.content["description"]
    assert len(each.content["tags"]) == 1
    assert each.content["tags"][0] in [tag["name"] for tag in TAGS]


@every_operation
def test_every_parameter_is_described(each: Operation) -> None:
    for parameter in each.parameters:
        assert parameter.get("description"), parameter["name"]
        assert (parameter["in"] == "path") == parameter.get("required", False), parameter["name"]
        if parameter["in"] == "path":
            assert problems_of(parameter["example"], parameter["schema"]) == []
    assert {p["name"] for p in each.parameters if p["in"] == "path"} == set(re.findall(r"{(\w+)}", each.path))


@every_operation
def test_every_body_has_examples_that_are_true_to_its_schema(each: Operation) -> None:
    bodies = [each.content["requestBody"]] if "requestBody" in each.content else []
    for status, answer in each.responses():
        assert ("content" in answer) == (str(status) not in NO_BODY), status
        bodies.append(answer)
    for media_type, content in [item for body in bodies for item in body.get("content", {}).items()]:
        is_free = each.id == "getSchema" and media_type != MEDIA_TYPE
        is_empty = content["schema"].get("$ref", "").endswith("/EmptyBody")
        assert content.get("examples") or is_free or is_empty, media_type
        for name, example in content.get("examples", {}).items():
            assert problems_of(example["value"], content["schema"], is_strict=True) == [], name


@every_operation
def test_every_refusal_is_a_problem_with_known_codes(each: Operation) -> None:
    for status, answer in each.responses():
        if status < 400 or (each.is_public and "json" in str(answer["content"]) and status == 503):
            continue
        (content,) = answer["content"].values()
        assert [*answer["content"]] == [MEDIA_TYPE]
        for code, example in content["examples"].items():
            assert code in MEANINGS
            assert (example["value"]["code"], example["value"]["status"]) == (code, status)
            assert f"`{code}`" in answer["description"]


@every_operation
def test_every_call_says_which_refusals_it_has(each: Operation) -> None:
    found = {status for status, _ in each.responses()}
    assert 405 in found
    if each.path.startswith("/api/"):
        assert {400, 406, 429, 500, 503} <= found
    if not each.is_public:
        assert 401 in found
        assert each.content["security"][0] == {"bearer": []}
        session: JSON = {"session": []} if each.method == "get" else {"session": [], "csrf": []}
        assert each.content["security"][1] == session
    if "{" in each.path:
        assert 404 in found
    if each.method != "get":
        assert 403 in found
    if "requestBody" in each.content:
        assert {413, 415, 422} <= found


@every_operation
def test_every_success_has_its_headers(each: Operation) -> None:
    names = {parameter["name"] for parameter in each.parameters}
    for status, answer in each.responses():
        headers = set(answer.get("headers", {}))
        assert "X-Request-ID" in headers
        if status == 201:
            assert "Location" in headers
        if status == 429:
            assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= headers
        if status == 200 and "If-None-Match" in names:
            assert "ETag" in headers
            assert "304" in each.content["responses"]
        if status < 300 and each.method == "post":
            assert "Idempotency-Replayed" in headers
            assert "Idempotency-Key" in names


def test_every_code_that_is_raised_is_documented_and_no_other() -> None:
    raised = {
        each.code
        for each in vars(exceptions).values()
        if isinstance(each, type) and issubclass(each, exceptions.CombineError)
    }
    raised |= {
        str(each.default_code).upper()
        for each in vars(api_exceptions).values()
        if isinstance(each, type) and hasattr(each, "default_code")
    }
    # The first two are bases; a route or a host that does not exist belongs to no call.
    assert raised - {"ERROR", "NOT_FOUND"} <= set(MEANINGS) | {"ERROR"}
    documented = {
        code
        for each in operations()
        for status, answer in each.responses()
        if status >= 400
        for code in next(iter(answer["content"].values())).get("examples", {})
        if code.isupper()
    }
    assert documented == set(MEANINGS)


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    references = {value for path, value in walk(document()) if path.endswith("/$ref")}
    for reference in references:
        assert resolved({"$ref": reference}), reference
    parts = {
        f"#/components/{kind}/{name}"
        for kind, components in document()["components"].items()
        if kind != "securitySchemes"
        for name in components
    }
    # What a frame of a stream is, is said by an extension.
    assert parts - references == set()


def test_every_enumeration_has_a_name_and_its_values_stand_once() -> None:
    named = {tuple(each["enum"]): name for name, each in document()["components"]["schemas"].items() if "enum" in each}
    # Executions and steps have the same statuses.
    assert len(named) == sum("enum" in each for each in document()["components"]["schemas"].values()) - 1
    inline = {
        path: value
        for path, value in walk(document())
        if path.endswith("/enum") and path.count("/") > 4 and tuple(value) in named
    }
    assert inline == {}


def test_links_name_calls_and_parameters_that_exist() -> None:
    known = {each.id: {parameter["name"] for parameter in each.parameters} for each in operations()}
    for source, (status, targets) in LINKS.items():
        assert source in known
        for target, parameters in targets.items():
            assert set(parameters) <= known[target], (source, status, target)


def test_unknown_fields_of_bodies_are_refused_by_the_schema_too() -> None:
    for name, schema in document()["components"]["schemas"].items():
        if name.endswith("Body"):
            assert schema["additionalProperties"] is False, name


class TestServed:
    """``GET /api/v1/schema`` needs no account."""

    def test_as_json_by_default(self, anonymous: APIClient) -> None:
        answer = anonymous.get("/api/v1/schema")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json() == document()

    @pytest.mark.parametrize(
        "how", [{"query": "?format=yaml"}, {"accept": "application/yaml"}], ids=["query", "accept"]
    )
    def test_as_yaml(self, anonymous: APIClient, how: JSON) -> None:
        headers = {"Accept": how.get("accept", "*/*")}
        answer = anonymous.get(f"/api/v1/schema{how.get('query', '')}", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("application/yaml")
        assert yaml.load(answer.content, yaml.CSafeLoader) == document()

    def test_the_type_that_openapi_has_is_understood(self, anonymous: APIClient) -> None:
        answer = anonymous.get("/api/v1/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
        assert answer.headers["Content-Type"] == "application/vnd.oai.openapi+json"
        assert answer.json()["openapi"] == "3.1.0"

    def test_whoever_has_it_is_told_so(self, anonymous: APIClient) -> None:
        tag = anonymous.get("/api/v1/schema").headers["ETag"]
        answer = anonymous.get("/api/v1/schema", headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")

    @pytest.mark.parametrize(
        ("query", "accept", "status", "code"),
        [
            ("?lang=en", "*/*", 400, "VALIDATION_ERROR"),
            ("?format=xml", "*/*", 400, "VALIDATION_ERROR"),
            ("?format=xml", "application/yaml", 400, "VALIDATION_ERROR"),
            ("", "text/csv", 406, "NOT_ACCEPTABLE"),
        ],
    )
    def test_what_cannot_be_answered_is_a_problem(
        self, anonymous: APIClient, query: str, accept: str, status: int, code: str
    ) -> None:
        answer = anonymous.get(f"/api/v1/schema{query}", headers={"Accept": accept})
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == MEDIA_TYPE
        assert answer.json()["code"] == code

    def test_the_document_of_the_routes_names_every_route(self) -> None:
        assert {method for path in document()["paths"].values() for method in path} <= set(METHODS)


@pytest.fixture
def anonymous(db: None) -> APIClient:
    return APIClient()
