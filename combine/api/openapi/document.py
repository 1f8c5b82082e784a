"""What the OpenAPI document says as a whole. Plain data: the settings take it from here."""

from __future__ import annotations

TITLE = "The Combine"
VERSION = "1.0.0"
DESCRIPTION = """\
Documents produced by language models under human control.

**Who may call.** `Authorization: Bearer <token>`, or the session of the staff pages with its CSRF token. Roles are
groups: everybody with one may look, `operator` starts, cancels, retries and answers, and the roles that a document type
names decide on its documents. What lies in a project with members is there for its members only: for all others it does
not exist (404).

**Values.** Bodies and answers are JSON in UTF-8, names are snake_case, times are RFC 3339 in UTC, money is a decimal
string in US dollars. What is not there is `null`. Unknown fields of a body are 422, unknown parameters 400.

**Errors** are problem details (RFC 9457). Match on `status` and `code`, never on texts. Every answer carries
`X-Request-ID`; a client may send its own (1 to 128 letters, digits, `.`, `_`, `-`).

**Lists** answer `{results, next, previous}`; `next` and `previous` are whole URLs. Rows that arrive while a client
turns pages shift nothing.

**Again.** Every POST takes an `Idempotency-Key`. Reads of one object have an `ETag`: `If-None-Match` saves the body,
`If-Match` makes sure that nobody was faster.
"""
TAGS = [
    {"name": "Workflows", "description": "What can be started."},
    {"name": "Executions", "description": "Runs of workflows: to start, to follow, to end."},
    {"name": "Gates", "description": "Where runs wait for people: to answer questions, to decide on documents."},
    {"name": "Documents", "description": "What was produced, in versions that never change."},
    {"name": "Projects", "description": "What runs and documents belong to, and who may see it."},
    {"name": "Telemetry", "description": "What it cost, and how it went."},
    {"name": "Webhooks", "description": "Being told, instead of asking."},
    {"name": "Service", "description": "This description, and probes."},
]
SETTINGS = {
    "TITLE": TITLE,
    "DESCRIPTION": DESCRIPTION,
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "SERVERS": [{"url": "/", "description": "This server."}],
    "TAGS": TAGS,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # A body that changes an object has a class of its own.
    "COMPONENT_SPLIT_PATCH": False,
    "GENERIC_ADDITIONAL_PROPERTIES": "bool",
    "PREPROCESSING_HOOKS": ["combine.api.openapi.elsewhere.add_endpoints"],
    # Enumerations are named by their fields; no hook guesses names.
    "POSTPROCESSING_HOOKS": ["combine.api.openapi.elsewhere.add_components"],
    # Whether the document is complete is for tests to say, not for the check of a deployment.
    "ENABLE_DJANGO_DEPLOY_CHECK": False,
}
