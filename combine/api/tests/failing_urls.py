"""The site's routes and some that fail: defects and faults as a view can have them."""

from __future__ import annotations

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from combine import urls
from combine.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


class Defect(APIView):
    def get(self, request: Request) -> Response:
        raise RuntimeError("SELECT secret FROM /etc/passwd")


class NoDatabase(APIView):
    def get(self, request: Request) -> Response:
        raise OperationalError("connection to server on socket /var/run failed")


def defect_outside(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("SELECT secret FROM /etc/passwd")


urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/defect", Defect.as_view()),
    path("api/v1/no-database", NoDatabase.as_view()),
    path("api/v1/defect-outside", defect_outside),
    *urls.urlpatterns,
]
