"""The OpenAPI document, and the page that makes it browsable. Neither needs an account."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer2
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from combine.api.openapi.document import TITLE
from combine.api.parameters import KnownParameters
from executions.api.conditional import tagged
from executions.api.filters import ChoiceFilter, StrictFilterSet
from executions.api.operations.parts import IF_NONE_MATCH

JSON = dict[str, Any]

# Everything of the page is a file of ours. Swagger UI has its pictures inside its style sheet.
_PAGE_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def document() -> JSON:
    """Return the document: the same for everybody, as long as this process lives."""
    built: JSON = SchemaGenerator().get_schema(request=None, public=True)
    return built


@cache
def _rendered(is_yaml: bool) -> bytes:
    content: bytes = (OpenApiYamlRenderer2() if is_yaml else JSONRenderer()).render(document())
    return content


class DocumentRenderer(JSONRenderer):
    """Gives out the text that was made once; what else is rendered is a refusal, which is JSON in any case."""

    def render(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        return _rendered(self.format == "yaml") if data is document() else super().render(data, *args, **kwargs)


class JSONDocument(DocumentRenderer):
    media_type = "application/json"
    format = "json"


class OpenAPIDocument(JSONDocument):
    media_type = "application/vnd.oai.openapi+json"


class YAMLDocument(DocumentRenderer):
    media_type = "application/yaml"
    format = "yaml"


class DocumentFilter(StrictFilterSet):
    format = ChoiceFilter("JSON or YAML, for those who cannot send `Accept`.", choices=["json", "yaml"])


class Schema(APIView):
    """This API's description."""

    authentication_classes = ()
    permission_classes = (KnownParameters,)
    renderer_classes = (JSONDocument, OpenAPIDocument, YAMLDocument)
    filterset_class = DocumentFilter

    @extend_schema(
        operation_id="getSchema",
        tags=["Service"],
        summary="Read this description",
        description="As JSON or YAML, by `Accept` or by `format`.",
        parameters=[IF_NONE_MATCH],
        responses={200: OpenApiResponse({"type": "object", "additionalProperties": True}, "An OpenAPI 3.1 document.")},
    )
    def get(self, request: Request) -> Response:
        DocumentFilter.read(request)
        return tagged(request, document())

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        wanted = request.query_params.get("format")
        for renderer in self.get_renderers():
            if wanted is not None and renderer.format == wanted:
                return renderer, renderer.media_type
        return super().perform_content_negotiation(request, force)


class PageRenderer(JSONRenderer):
    """Lets browsers ask for a page. What it renders are refusals, which are JSON all the same."""

    media_type = "text/html"
    format = "html"


class Docs(APIView):
    """Swagger UI, from our own files."""

    authentication_classes = ()
    permission_classes = (KnownParameters,)
    renderer_classes = (PageRenderer, JSONRenderer)

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        context = {"title": TITLE, "csrf_token": get_token(request._request)}
        page = render(request._request, "api/docs.html", context)
        page.headers["Content-Security-Policy"] = _PAGE_CSP
        return page
