"""docs/api.md names every route and every code."""

from __future__ import annotations

import re

import pytest
from django.urls import URLPattern
from rest_framework.exceptions import APIException

from combine.env import BASE_DIR
from executions import exceptions
from executions.api import exceptions as api_exceptions
from executions.api import urls as execution_urls
from telemetry.api import urls as telemetry_urls
from workflows.api import urls as workflow_urls

TEXT = (BASE_DIR / "docs" / "api.md").read_text()
ROUTES = [*workflow_urls.urlpatterns, *execution_urls.urlpatterns, *telemetry_urls.urlpatterns]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.pattern))
def test_every_route_has_a_section(route: URLPattern) -> None:
    path = re.sub(r"<str:(\w+)>", r"{\1}", str(route.pattern))
    methods = [name.upper() for name in ("get", "post", "patch") if hasattr(route.callback.view_class, name)]  # type: ignore[attr-defined]
    for method in methods:
        assert re.search(rf"^###.*\b{method} /{re.escape(path)}(,|$)", TEXT, re.MULTILINE), f"{method} /{path}"


def test_every_refusal_has_its_code_in_the_table() -> None:
    raised = {
        each.code
        for each in vars(exceptions).values()
        if isinstance(each, type) and issubclass(each, exceptions.CombineError)
    }
    raised |= {
        each.default_code.upper()
        for each in vars(api_exceptions).values()
        if isinstance(each, type) and issubclass(each, APIException) and each is not APIException
    }
    for code in raised - {"ERROR"}:
        assert f"`{code}`" in TEXT, code
