"""Documents: one version, the newest of many, or lists of them."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema

from executions.api.operations import examples, parts
from executions.api.serializers import DocumentSerializer

TAGS = ["Documents"]

LIST = extend_schema(
    operation_id="listDocuments",
    tags=TAGS,
    summary="List documents",
    description="Versions of documents, newest first; all of them, unless `latest=true`. A page of large documents is"
    " shorter than `page_size`; `next` goes on.",
    responses={200: parts.answer(DocumentSerializer(many=True), "A page of documents.", examples.DOCUMENT)},
)
GET = extend_schema(
    operation_id="getDocument",
    tags=TAGS,
    summary="Read a version of a document",
    description="Versions never change, but for what people said of them and whether there is a newer one.",
    parameters=[parts.IF_NONE_MATCH],
    responses={200: parts.answer(DocumentSerializer, "The document.", examples.DOCUMENT)},
)
BY_SCOPE = extend_schema(
    operation_id="getDocumentByScope",
    tags=TAGS,
    summary="Read a document by what it is about",
    description="The newest version. `status` gives the newest of that status, `version` the one of that number.",
    parameters=[parts.IF_NONE_MATCH],
    responses={200: parts.answer(DocumentSerializer, "The document.", examples.DOCUMENT)},
)
VERSIONS = extend_schema(
    operation_id="listDocumentVersions",
    tags=TAGS,
    summary="List the versions of a document",
    description="All versions, newest first.",
    responses={200: parts.answer(DocumentSerializer(many=True), "A page of versions.", examples.DOCUMENT)},
)
