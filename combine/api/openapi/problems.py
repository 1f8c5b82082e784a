"""Which errors a call can answer with, and what each looks like.

A view names what is special to it, by ``extensions={"x-problem-codes": {"409": ["INVALID_STATE"]}}``; what holds for
all calls of a kind follows from the call itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from combine.api.openapi import headers
from combine.api.problems import MEDIA_TYPE, title_of

if TYPE_CHECKING:
    from combine.api.openapi.schema import OperationSchema

JSON = dict[str, Any]

CODES = "x-problem-codes"
_REQUEST_ID = "b64e9352-0c14-4dc9-833e-57027b851d6a"

ERROR_SCHEMA: JSON = {
    "type": "object",
    "description": "One wrong field or parameter.",
    "required": ["path", "code", "detail"],
    "properties": {
        "path": {"type": "string", "description": "A JSON Pointer into the body, or `/name` of a query parameter."},
        "code": {"type": "string", "description": "What is wrong, for programs."},
        "detail": {"type": "string", "description": "What is wrong, for people."},
    },
}
GATE_SCHEMA: JSON = {
    "type": "object",
    "description": "A gate that a call may mean.",
    "required": ["gate_id", "path"],
    "properties": {"gate_id": {"type": "string", "format": "uuid"}, "path": {"type": "string"}},
}
SCHEMA: JSON = {
    "type": "object",
    "description": "Problem details (RFC 9457): the one shape of every answer that is no success. Match on `status` and"
    " `code`, never on texts. There may be more members.",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string", "description": "The name of the status."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What went wrong, and mostly what to do."},
        "instance": {"type": "string", "format": "uri-reference", "description": "The path of the request."},
        "code": {"type": "string", "description": "What went wrong, for programs. Codes never change their meaning."},
        "request_id": {"type": "string", "description": "As in `X-Request-ID`, and on every line of the log."},
        "errors": {
            "type": "array",
            "description": "The single fields or parameters that are wrong.",
            "items": {"$ref": "#/components/schemas/ProblemError"},
        },
        "decided_by": {"type": "string", "description": "Who was faster, where somebody was."},
        "decision": {"type": "string", "description": "What they decided."},
        "decided_at": {"type": "string", "format": "date-time", "description": "When they did."},
        "gates": {
            "type": "array",
            "description": "With `GATE_AMBIGUOUS`: the gates to choose from.",
            "items": {"$ref": "#/components/schemas/ProblemGate"},
        },
        "current": {
            "type": "string",
            "format": "uri-reference",
            "description": "With `PRECONDITION_FAILED`: where what is there now is shown.",
        },
    },
}

# Code: (when it is answered, a detail as it may be, further members).
MEANINGS: dict[str, tuple[str, str, JSON]] = {
    "MALFORMED_JSON": (
        "The body is no JSON, has a key twice, or holds NaN, Infinity or a number without bound.",
        "The body is not JSON that we take: Expecting value (line 1, column 1).",
        {},
    ),
    "VALIDATION_ERROR": (
        "Every wrong field or parameter is named in `errors`; an unknown one too.",
        "/limit: unknown parameter; none is known here",
        {"errors": [{"path": "/limit", "code": "UNKNOWN_PARAMETER", "detail": "unknown parameter; ..."}]},
    ),
    "INVALID_STATUS": (
        "There is no such status; the known ones are named.",
        "/status: must be one of open, decided, cancelled, expired",
        {"errors": [{"path": "/status", "code": "INVALID_STATUS", "detail": "must be one of open, ..."}]},
    ),
    "INVALID_IDEMPOTENCY_KEY": (
        "The header `Idempotency-Key` holds no key.",
        "Idempotency-Key must be 1 to 255 printable ASCII characters.",
        {},
    ),
    "INVALID_IF_MATCH": (
        "The header `If-Match` holds no entity tags.",
        "If-Match must be * or a list of entity tags with their quotes.",
        {},
    ),
    "BAD_REQUEST": (
        "The request cannot be taken at all: a host that is not ours, a value that cannot be looked up.",
        "The request holds a value that cannot be taken.",
        {},
    ),
    "NOT_AUTHENTICATED": (
        "There is no valid token or session.",
        "Authentication credentials were not provided.",
        {},
    ),
    "PERMISSION_DENIED": (
        "The caller sees it and may not do this: a role is missing, four eyes, the CSRF token is missing.",
        "To start a run you need the role operator; ask an administrator to add you to that group.",
        {},
    ),
    "WORKFLOW_NOT_FOUND": ("There is no such workflow, or not for the caller.", "There is no workflow tides.", {}),
    "REVISION_NOT_FOUND": ("The workflow has no such revision.", "The workflow has no revision 7.", {}),
    "STEP_NOT_FOUND": (
        "The workflow has no such step, or the step has no output of its own.",
        "The workflow software_product has no step 'tides'.",
        {},
    ),
    "EXECUTION_NOT_FOUND": (
        "There is no such execution, or not for the caller.",
        "There is no execution 6b1f2a60-3c5e-4b0e-9d0a-0f6a5d1c7e42.",
        {},
    ),
    "GATE_NOT_FOUND": (
        "There is no such gate, or not for the caller.",
        "There is no gate 0d3f8a52-7b1c-4c9e-8a57-51b6f0f6f1aa.",
        {},
    ),
    "DOCUMENT_NOT_FOUND": (
        "There is no such document, or not for the caller.",
        "There is no document f2b9f5ba-96d1-4d7c-8c7e-2f4f7c0f4f11.",
        {},
    ),
    "PROJECT_NOT_FOUND": (
        "There is no such project, or not for the caller.",
        "There is no project apollo.",
        {},
    ),
    "WEBHOOK_NOT_FOUND": (
        "There is no such webhook, or not for the caller.",
        "There is no webhook 3e1c9a5e-5f0a-4f6e-9b1f-0d6d3a0a7c11.",
        {},
    ),
    "DELIVERY_NOT_FOUND": (
        "The webhook has no such delivery (any more).",
        "The webhook has no delivery a4b7d0c2-1f7e-4a53-8f0a-5b8d1c9e2f33.",
        {},
    ),
    "METHOD_NOT_ALLOWED": ("The path has no such method; `Allow` has those it has.", 'Method "PUT" not allowed.', {}),
    "NOT_ACCEPTABLE": (
        "`Accept` names nothing that this call answers with.",
        "Could not satisfy the request Accept header.",
        {},
    ),
    "CONFLICT": (
        "Somebody was faster (then with `decided_by`, `decision` and `decided_at`), the same person has voted, the gate"
        " is about another document, or there is one of that id already.",
        "This gate was decided already: ed chose accept at 2026-01-31 12:00:00 UTC.",
        {"decided_by": "ed", "decision": "accept", "decided_at": "2026-01-31T12:00:00Z"},
    ),
    "INVALID_STATE": (
        "What the call is about is not in a state for it.",
        "The run is completed; only a run that is not over can be cancelled.",
        {},
    ),
    "GATE_AMBIGUOUS": (
        "Several gates are open; `gates` has them, to be named as `gate_id`.",
        "Several gates are open; name one as gate_id: ...",
        {"gates": [{"gate_id": "0d3f8a52-7b1c-4c9e-8a57-51b6f0f6f1aa", "path": "per_epic[E1].story_backlog"}]},
    ),
    "IDEMPOTENCY_IN_FLIGHT": (
        "The first request with this `Idempotency-Key` is being carried out; `Retry-After` says when to ask again.",
        "A request with this Idempotency-Key is being carried out at this moment; send it again for its answer.",
        {},
    ),
    "IDEMPOTENCY_ANSWER_NOT_KEPT": (
        "The first request with this `Idempotency-Key` was carried out; its answer was too large to be kept.",
        "The first request with this Idempotency-Key was carried out and answered 200. Nothing was done again.",
        {},
    ),
    "PRECONDITION_FAILED": (
        "It is not any more what `If-Match` names. Nothing was done.",
        "It has changed since it had the ETag in If-Match; nothing was done.",
        {"current": "/api/v1/executions/6b1f2a60-3c5e-4b0e-9d0a-0f6a5d1c7e42"},
    ),
    "BODY_TOO_LARGE": ("The body is larger than 2 MB.", "The body of the request is too large.", {}),
    "UNSUPPORTED_MEDIA_TYPE": ("Bodies are `application/json`.", 'Unsupported media type "text/plain".', {}),
    "IDEMPOTENCY_MISMATCH": (
        "The `Idempotency-Key` was used for a request with another body.",
        "This Idempotency-Key was used for a request with another body; a new request needs a new key.",
        {},
    ),
    "RATE_LIMITED": (
        "A rate is used up, or (at a start or a retry) as many executions are under way as may be; `Retry-After` says"
        " when to try again.",
        "The limit of 600 per minute for requests is used up; try again in 2 s.",
        {},
    ),
    "INTERNAL_ERROR": (
        "A defect on our side.",
        "Something went wrong on our side; the log has the details under this request_id.",
        {},
    ),
    "UNAVAILABLE": (
        "The database does not answer.",
        "The database does not answer at the moment; try again shortly.",
        {},
    ),
}

# What is missing where a part of the path names nothing that the caller sees.
_MISSING = {
    "workflow_id": "WORKFLOW_NOT_FOUND",
    "step_id": "STEP_NOT_FOUND",
    "execution_id": "EXECUTION_NOT_FOUND",
    "gate_id": "GATE_NOT_FOUND",
    "document_id": "DOCUMENT_NOT_FOUND",
    "document_type": "DOCUMENT_NOT_FOUND",
    "project_id": "PROJECT_NOT_FOUND",
    "webhook_id": "WEBHOOK_NOT_FOUND",
    "delivery_id": "DELIVERY_NOT_FOUND",
}
_ALWAYS = {405: ["METHOD_NOT_ALLOWED"]}


def codes_of(operation: OperationSchema) -> dict[int, list[str]]:
    """Return the codes of the errors that a call can answer with, by status."""
    declared = {int(status): list(codes) for status, codes in operation.get_extensions().get(CODES, {}).items()}
    if not operation.view.get_authenticators() and not operation.view.get_permissions():
        return _merged(_ALWAYS, declared)
    general: dict[int, list[str]] = {
        400: ["VALIDATION_ERROR", *(["INVALID_STATUS"] if operation.has_parameter("status") else []), "BAD_REQUEST"],
        404: [code for name, code in _MISSING.items() if operation.has_parameter(name, "path")],
        406: ["NOT_ACCEPTABLE"],
        429: ["RATE_LIMITED"],
        500: ["INTERNAL_ERROR"],
        503: ["UNAVAILABLE"],
    }
    if operation.view.get_authenticators():
        general[401] = ["NOT_AUTHENTICATED"]
    if operation.method != "GET":
        general[403] = ["PERMISSION_DENIED"]
    if operation.method in ("POST", "PATCH"):
        general[400].insert(0, "MALFORMED_JSON")
        general[413] = ["BODY_TOO_LARGE"]
        general |= {415: ["UNSUPPORTED_MEDIA_TYPE"], 422: ["VALIDATION_ERROR"]}
    if operation.has_parameter("Idempotency-Key"):
        general[400].append("INVALID_IDEMPOTENCY_KEY")
        general[409] = ["IDEMPOTENCY_IN_FLIGHT", "IDEMPOTENCY_ANSWER_NOT_KEPT"]
        general[422].append("IDEMPOTENCY_MISMATCH")
    if operation.has_parameter("If-Match"):
        general[400].append("INVALID_IF_MATCH")
        general[412] = ["PRECONDITION_FAILED"]
    return _merged(declared, _ALWAYS, general)


def answer(operation: OperationSchema, status: int, codes: list[str]) -> JSON:
    """Return the answer with one of these codes; calls that have the same ones share its description."""
    operation.share("ProblemError", "schemas", ERROR_SCHEMA)
    operation.share("ProblemGate", "schemas", GATE_SCHEMA)
    problem = operation.share("Problem", "schemas", SCHEMA)
    name = ".".join([f"{status}", *codes])
    content: JSON = {
        "description": "\n".join(f"- `{code}`: {MEANINGS[code][0]}" for code in codes),
        "headers": operation.headers(*headers.of_refusal(status, codes)),
        "content": {MEDIA_TYPE: {"schema": problem, "examples": {code: _example(status, code) for code in codes}}},
    }
    return operation.share(name, "responses", content)


def _example(status: int, code: str) -> JSON:
    _, detail, members = MEANINGS[code]
    problem = {"type": "about:blank", "title": title_of(status), "status": status, "detail": detail}
    return {"value": {**problem, "instance": "/api/v1/...", "code": code, "request_id": _REQUEST_ID, **members}}


def _merged(*parts: dict[int, list[str]]) -> dict[int, list[str]]:
    merged: dict[int, list[str]] = {}
    for part in parts:
        for status, codes in part.items():
            merged[status] = list(dict.fromkeys([*merged.get(status, []), *codes]))
    return {status: codes for status, codes in sorted(merged.items()) if codes}
