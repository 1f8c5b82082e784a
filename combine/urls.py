"""Every route of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from combine.api import handlers, health, metrics
from combine.demo import shown_accounts
from executions.pages.accounts import LogIn

urlpatterns: list[URLPattern | URLResolver] = [
    # Ahead of the page's own entry, which knows of no demo.
    path("login", LogIn.as_view(demo_accounts=shown_accounts), name="login"),
    path("", include("executions.pages.urls")),
    path("", include("telemetry.pages.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("combine.api.urls")),
    re_path(r"^api(?:/|$)", handlers.unknown_route),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]

handler400 = handlers.bad_request
handler403 = handlers.permission_denied
handler404 = handlers.page_not_found
handler500 = handlers.server_error
