"""What every answer has, and what every refusal looks like."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings
from knox.models import AuthToken
from rest_framework.request import Request
from rest_framework.test import APIClient

from combine.api.middleware import api_middleware
from combine.api.parsers import StrictJSONParser
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import single, stored

URL = "/api/v1/executions"
UNKNOWN = UUID("3f0c2f5e-0d1b-4a7e-9b55-0c6a1f3d2e11")
ROUTES = [
    ("GET", "/api/v1/workflows"),
    ("GET", "/api/v1/workflows/test"),
    ("GET", "/api/v1/workflows/test/steps/note/schema"),
    ("POST", "/api/v1/workflows/test/start"),
    ("GET", "/api/v1/executions"),
    ("GET", f"/api/v1/executions/{UNKNOWN}"),
    ("GET", f"/api/v1/executions/{UNKNOWN}/events"),
    ("GET", f"/api/v1/executions/{UNKNOWN}/steps"),
    ("POST", f"/api/v1/executions/{UNKNOWN}/cancel"),
    ("POST", f"/api/v1/executions/{UNKNOWN}/retry"),
    ("POST", f"/api/v1/executions/{UNKNOWN}/acceptance"),
    ("POST", f"/api/v1/executions/{UNKNOWN}/clarification"),
    ("GET", "/api/v1/gates"),
    ("GET", f"/api/v1/gates/{UNKNOWN}"),
    ("GET", "/api/v1/documents"),
    ("GET", f"/api/v1/documents/{UNKNOWN}"),
    ("GET", "/api/v1/documents/by-scope/project/apollo/note"),
    ("GET", "/api/v1/documents/by-scope/project/apollo/note/versions"),
    ("GET", "/api/v1/projects"),
    ("POST", "/api/v1/projects"),
    ("GET", "/api/v1/projects/apollo"),
    ("PATCH", "/api/v1/projects/apollo"),
]


def is_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Check the shape of a refusal, and return it."""
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) >= {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert body["status"] == status
    assert body["code"] == code
    assert body["request_id"] == answer["X-Request-ID"]
    return body


def is_uuid(text: str) -> bool:
    return str(UUID(text)) == text


@pytest.mark.parametrize(("method", "url"), ROUTES)
def test_nobody_gets_in_without_saying_who_they_are(anonymous: APIClient, method: str, url: str) -> None:
    answer = anonymous.generic(method, f"{url}?token=abc&x=%00", "{", content_type="application/json")
    is_problem(answer, 401, "NOT_AUTHENTICATED")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer cmb_" + "0" * 64,
        "Bearer \u00ff\u00fe",
        "Bearer abc\x00defgh",
        "Bearer " + "a" * 5000,
        "Basic b2xnYTpwdw==",
        "Token cmb_abc",
        "bearer",
    ],
)
def test_what_is_no_token_is_401(db: None, header: str) -> None:
    is_problem(APIClient(headers={"Authorization": header}).get(URL), 401, "NOT_AUTHENTICATED")


def test_a_token_of_an_account_that_was_closed_is_401(db: None) -> None:
    user = person("olga")
    _, token = AuthToken.objects.create(user)
    client = APIClient(headers={"Authorization": f"bearer {token}"})
    assert client.get(URL).status_code == 200
    user.is_active = False
    user.save()
    is_problem(client.get(URL), 401, "NOT_AUTHENTICATED")


def test_a_session_needs_its_csrf_token_to_change_anything(db: None) -> None:
    stored(single())
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("olga"))
    url = "/api/v1/workflows/test/start"
    assert client.get(URL).status_code == 200
    is_problem(client.post(url, {"project_id": "a"}, content_type="application/json"), 403, "PERMISSION_DENIED")

    client.get("/admin/login/")
    secret = "a" * 32
    client.cookies["csrftoken"] = secret
    answer = client.post(url, {"project_id": "a"}, content_type="application/json", headers={"X-CSRFToken": secret})
    assert answer.status_code == 201


def test_a_token_counts_more_than_a_cookie(olga: APIClient) -> None:
    """So a request with a token needs no CSRF check, whatever cookies a browser adds."""
    stored(single())
    _, token = AuthToken.objects.create(person("olga"))
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {token}"})
    client.force_login(person("vic"))
    answer = client.post("/api/v1/workflows/test/start", {"project_id": "a"}, content_type="application/json")
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/executions", "/api/v1/executions/", "/api/v1/nothing/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_route_is_404_in_json(method: str, path: str) -> None:
    problem = is_problem(Client(enforce_csrf_checks=True).generic(method, path), 404, "NOT_FOUND")
    assert problem["instance"] == path


@override_settings(DEBUG=True)
def test_an_unknown_route_is_404_in_json_also_while_debugging() -> None:
    is_problem(Client().get("/api/v1/nothing"), 404, "NOT_FOUND")


def test_pages_keep_their_own_errors(client: Client) -> None:
    answer = client.get("/nothing")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("query", ["", "?no=parameter"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "POST", "TRACE"])
def test_another_method_is_405_and_the_right_ones_are_named(olga: APIClient, method: str, query: str) -> None:
    answer = olga.generic(method, f"{URL}/{UNKNOWN}{query}")
    is_problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer["Allow"] == "GET, HEAD, OPTIONS"


def test_options_and_head_are_answered(olga: APIClient) -> None:
    assert olga.options(URL).status_code == 200
    head = olga.head(URL)
    assert (head.status_code, head.content) == (200, b"")


def test_an_answer_in_another_format_is_406(olga: APIClient) -> None:
    is_problem(olga.get(URL, headers={"Accept": "text/html"}), 406, "NOT_ACCEPTABLE")
    assert olga.get(URL, headers={"Accept": "text/html,*/*;q=0.8"}).status_code == 200
    is_problem(olga.get(f"{URL}?format=xml"), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
        "application/vnd.api+json", "", "json", "nonsense/;;=",
    ],
)  # fmt: skip
def test_a_body_of_another_type_is_415(olga: APIClient, content_type: str) -> None:
    execution = start(single())
    answer = olga.generic("POST", f"{URL}/{execution.pk}/cancel", '{"reason": "x"}', content_type=content_type)
    is_problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_body_over_the_limit_is_413(olga: APIClient) -> None:
    stored(single())
    body = '{"project_id": "a", "initial_context": {"x": "' + "a" * 2_000_000 + '"}}'
    answer = olga.generic("POST", "/api/v1/workflows/test/start", body, content_type="application/json")
    is_problem(answer, 413, "BODY_TOO_LARGE")


def test_a_brief_of_nearly_a_megabyte_is_taken(olga: APIClient) -> None:
    stored(single())
    body = {"project_id": "a", "initial_context": {"x": "a" * 999_000}}
    assert olga.post("/api/v1/workflows/test/start", body).status_code == 201


def test_a_host_that_is_not_ours_is_400(db: None) -> None:
    answer = Client(headers={"Host": "evil.example"}).get("/api/v1/executions")
    is_problem(answer, 400, "BAD_REQUEST")
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a_session_cookie_that_the_database_cannot_look_up_is_no_500(db: None) -> None:
    answer = Client(headers={"Cookie": 'sessionid="abcdefgh\\000ijk"'}).get(URL)
    assert answer.status_code in (400, 401)


@pytest.mark.urls("combine.api.tests.failing_urls")
@pytest.mark.parametrize("url", ["/api/v1/defect", "/api/v1/defect-outside"])
def test_a_defect_is_500_without_details_and_logged_once(
    olga: APIClient, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    olga.raise_request_exception = False
    answer = olga.get(url)
    problem = is_problem(answer, 500, "INTERNAL_ERROR")
    assert "secret" not in str(problem)
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.levelname == "ERROR"


@pytest.mark.urls("combine.api.tests.failing_urls")
def test_a_database_that_does_not_answer_is_503(olga: APIClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = olga.get("/api/v1/no-database")
    problem = is_problem(answer, 503, "UNAVAILABLE")
    assert answer["Retry-After"] == "2"
    assert "socket" not in str(problem)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("url", [URL, f"{URL}/{UNKNOWN}", "/api/v1/nothing", "/livez"])
def test_every_answer_has_an_id_and_the_headers_of_the_api(olga: APIClient, url: str) -> None:
    answer = olga.get(url)
    assert is_uuid(answer["X-Request-ID"])
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"


def test_a_clients_own_request_id_is_kept_if_it_is_one(olga: APIClient) -> None:
    assert olga.get(URL, headers={"X-Request-ID": "call-7.a_b"})["X-Request-ID"] == "call-7.a_b"
    for bad in ("a b", "x" * 129, "a\tb", "<script>", "", "é"):
        assert is_uuid(olga.get(URL, headers={"X-Request-ID": bad})["X-Request-ID"])


def test_pages_have_a_request_id_and_their_own_policy(client: Client, db: None) -> None:
    answer = client.get("/admin/login/")
    assert is_uuid(answer["X-Request-ID"])
    assert "default-src 'self'" in answer["Content-Security-Policy"]


async def test_the_same_holds_on_asgi() -> None:
    client = AsyncClient()
    answer = await client.get("/livez", headers={"X-Request-ID": "abc"})
    assert answer["X-Request-ID"] == "abc"
    assert answer["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    is_problem(await client.get("/api/v1/nothing"), 404, "NOT_FOUND")


def test_the_id_of_a_stranger_reads_like_one_that_does_not_exist(olga: APIClient, stranger: APIClient) -> None:
    execution = start(single())
    foreign = stranger.get(f"{URL}/{execution.pk}").json()
    unknown = stranger.get(f"{URL}/{(other := UNKNOWN)}").json()
    for key in ("request_id",):
        del foreign[key], unknown[key]
    assert str(foreign).replace(str(execution.pk), str(other)) == str(unknown)


def test_the_path_is_named_as_a_reference_that_leads_there_again(olga: APIClient) -> None:
    path = "/api/v1/workflows/50%25%C3%A9%20off"
    assert olga.get(path).json()["instance"] == path


def test_a_body_in_chunks_counts_as_one() -> None:
    """It has no Content-Length, and the framework takes a body without a length for none."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/projects",
        "headers": [(b"transfer-encoding", b"chunked"), (b"content-type", b"application/json")],
    }
    request = ASGIRequest(scope, BytesIO(b'{"project_id": "chunked"}'))

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(repr(Request(request, parsers=[StrictJSONParser()]).data))

    answer = api_middleware(view)(request)
    assert isinstance(answer, HttpResponse)
    assert answer.content == b"{'project_id': 'chunked'}"
