"""The addresses of our own pages. Objects end with a slash; without it they are led to the right address."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.templatetags.static import static
from django.urls import URLPattern, path, re_path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView

from executions.pages import account, accounts, documents, execution_list, home, live, projects, questions, start, steps

_RUN = "executions/<uuid:execution_id>/"
_SERIES = "d/<str:scope_type>/<str:scope_id>/<str:document_type>/"


@require_safe
def _favicon(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(static("combine/favicon.svg"))


@require_safe
def add_slash(request: HttpRequest, path: str) -> HttpResponse:
    query = f"?{request.META['QUERY_STRING']}" if request.META.get("QUERY_STRING") else ""
    # The path begins with the name of one of our pages: it cannot be taken for another host's.
    return HttpResponseRedirect(f"{request.path}/{query}")


urlpatterns: list[URLPattern] = [
    path("", home.home, name="home"),
    path("login", accounts.LogIn.as_view(), name="login"),
    path("logout", accounts.LogOut.as_view(), name="logout"),
    path("account/", account.account_page, name="account-page"),
    path("executions/", execution_list.execution_list, name="executions-page"),
    path("executions/changes/", execution_list.execution_changes, name="execution-changes"),
    path(_RUN, live.execution_page, name="execution-page"),
    path(f"{_RUN}parts/", live.execution_parts, name="execution-parts"),
    path(f"{_RUN}group/", live.execution_group, name="execution-group"),
    path(f"{_RUN}documents/<uuid:document_id>/text/", live.document_text, name="execution-document-text"),
    path(f"{_RUN}cancel/", live.cancel_page, name="execution-cancel-page"),
    path(f"{_RUN}retry/", live.retry_page, name="execution-retry-page"),
    path(f"{_RUN}gates/<uuid:gate_id>/", questions.questions_page, name="questions-page"),
    path(f"{_RUN}steps/<path:path>/attempts/<int:number>/", steps.attempt_page, name="attempt-page"),
    path(f"{_RUN}steps/<path:path>/", steps.step_page, name="step-page"),
    path("start/", RedirectView.as_view(pattern_name="workflows-page", query_string=True)),
    path("workflows/", start.workflow_list, name="workflows-page"),
    path("workflows/<str:workflow_id>/", RedirectView.as_view(pattern_name="start-page", query_string=True)),
    path("workflows/<str:workflow_id>/start/", start.start_page, name="start-page"),
    path("projects/", projects.project_list, name="projects-page"),
    path("projects/<str:project_id>/", projects.project_page, name="project-page"),
    path("documents/", documents.document_list, name="documents-page"),
    path("documents/<uuid:document_id>/", documents.document_page, name="document-page"),
    path("documents/<uuid:document_id>/content.json", documents.document_content, name="document-content"),
    path(_SERIES, documents.series_page, name="series-page"),
    path(f"{_SERIES}latest/", documents.latest_page, name="latest-page"),
    path(f"{_SERIES}versions/", documents.versions_page, name="versions-page"),
    path("favicon.ico", _favicon),
    re_path(r"^(?P<path>(?:account|executions|start|workflows|projects|documents|d)(?:/.*[^/])?)$", add_slash),
]
