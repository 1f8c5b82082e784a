"""``GET /metrics`` for Prometheus. What it shows is about everybody, so it is not for everybody."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from combine.api.authentication import bearer_of
from combine.api.problems import Problem, problem_response
from telemetry.metrics import exposition

_WHO = "Metrics are for administrators, and for whoever has the token that COMBINE_METRICS_TOKEN names."


@csrf_exempt
@require_safe
def metrics(request: HttpRequest) -> HttpResponseBase:
    """Answer with all metrics in the text format, to administrators and to the holder of the scraper's token."""
    if not _is_scraper(request):
        bearer = bearer_of(request)
        user = request.user if bearer is None else bearer.user
        if user is None or not user.is_authenticated:
            headers = {"WWW-Authenticate": "Bearer"}
            return problem_response(
                Problem(status=401, code="NOT_AUTHENTICATED", detail=_WHO, headers=headers), request
            )
        if not user.is_superuser:
            return problem_response(Problem(status=403, code="PERMISSION_DENIED", detail=_WHO), request)
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _is_scraper(request: HttpRequest) -> bool:
    expected = settings.COMBINE_METRICS_TOKEN
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if not expected or scheme.lower() != "bearer":
        return False
    return secrets.compare_digest(given.strip().encode(), expected.encode())
