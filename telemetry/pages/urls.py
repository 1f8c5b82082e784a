"""The addresses of the cost pages."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from executions.pages.urls import add_slash
from telemetry.pages import files, views

_WORKFLOW = "costs/workflows/<str:workflow_id>/"

urlpatterns: list[URLPattern] = [
    path("costs/", views.costs_page, name="costs-page"),
    path("costs/calls/", views.calls_page, name="costs-calls-page"),
    path("costs/<slug:slug>.csv", files.table_file, name="costs-file"),
    path(_WORKFLOW, views.workflow_page, name="costs-workflow-page"),
    path(f"{_WORKFLOW}<str:step_id>/", views.step_page, name="costs-step-page"),
    re_path(r"^(?P<path>costs(?:/.*[^/])?)$", add_slash),
]
