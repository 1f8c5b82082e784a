"""The routes of ``/api/v1``. The apps bring their own; none has a trailing slash."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("workflows.api.urls")),
    path("", include("executions.api.urls")),
]
