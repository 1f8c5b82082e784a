"""The routes of ``/api/v1``. The apps bring their own; none has a trailing slash."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from combine.api.openapi.views import Docs, Schema

urlpatterns: list[URLPattern | URLResolver] = [
    path("schema", Schema.as_view(), name="schema"),
    path("docs", Docs.as_view(), name="api-docs"),
    path("", include("workflows.api.urls")),
    path("", include("executions.api.urls")),
    path("", include("telemetry.api.urls")),
]
