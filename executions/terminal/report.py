"""What the command prints in the end, on stdout: the documents of the run, as a table or as JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from typing import Any, TextIO
from uuid import UUID

from documents import database
from executions.models import Execution
from executions.terminal.attending import open_gates
from executions.terminal.following import Standing, instant
from executions.terminal.wording import clean, duration, exact, money, short

# The newest version that this run made of each document, in the order of the steps; what came with the brief first.
_DOCUMENTS = """
SELECT n.id, n.document_type, n.scope_type, n.scope_id, n.version, n.status, n.title, n.content_sha256
  FROM (SELECT DISTINCT ON (document_type, scope_id) * FROM documents_document
         WHERE execution_id = %s ORDER BY document_type, scope_id, version DESC) n
  LEFT JOIN executions_step s ON s.execution_id = n.execution_id AND s.path = n.created_by_step
 ORDER BY s.sort_key NULLS FIRST, n.document_type
"""

_KEYS = ("document_id", "document_type", "scope_type", "scope_id", "version", "status", "title", "content_sha256")
_COLUMNS = (
    ("DOCUMENT", "document_type"),
    ("VERSION", "version"),
    ("STATUS", "status"),
    ("SCOPE", "scope_id"),
    ("ID", "document_id"),
)
_GAP = "  "
_TITLE_WIDTH = 60
_NARROWEST_TITLE = 10


def load_documents(execution_id: UUID) -> list[dict[str, Any]]:
    """Return the documents of an execution."""
    rows = database.rows(_DOCUMENTS, (execution_id,))
    return [{**dict(zip(_KEYS, row, strict=True)), "document_id": str(row[0])} for row in rows]


def print_event(stdout: TextIO, event: Mapping[str, Any]) -> None:
    """Print one event as a line of JSON."""
    _print_json(stdout, event)


def print_object(
    stdout: TextIO, execution: Execution, standing: Standing, *, assumed: Mapping[str, Any], unused: Sequence[str]
) -> None:
    """Print the last line of ``--json``: the execution as it stands."""
    error = {"code": standing.error_code, "detail": standing.error_detail} if standing.error_code else None
    gates = [
        {
            "gate_id": str(gate.pk),
            "kind": gate.kind,
            "path": gate.path,
            "doc_type": gate.document_type,
            "document_id": None if gate.document_id is None else str(gate.document_id),
            "roles": gate.roles,
            "questions": gate.questions,
        }
        for gate in open_gates(execution.pk)
    ]
    result = {
        "execution_id": str(execution.pk),
        "workflow_id": execution.workflow_id,
        "revision": execution.revision.revision,
        "project_id": execution.project_id,
        "status": standing.status.value,
        "error": error,
        "documents": load_documents(execution.pk),
        "cost_usd": exact(standing.cost_usd),
        "budget_usd": None if standing.budget_usd is None else exact(standing.budget_usd),
        "started_at": instant(standing.started_at),
        "completed_at": instant(standing.completed_at),
        "pending_gates": gates,
        "assumed_answers": dict(assumed),
        "unused_answers": list(unused),
    }
    _print_json(stdout, result)


def print_table(stdout: TextIO, execution: Execution, standing: Standing) -> None:
    """Print the documents in columns, below one line about the execution."""
    spent = f"{duration(standing.elapsed)}, {money(standing.cost_usd)}"
    stdout.write(f"Execution {execution.pk} {standing.status.value.replace('_', ' for ')} ({spent})\n")
    documents = load_documents(execution.pk)
    if not documents:
        stdout.write("No documents.\n")
        return
    rows = [[heading for heading, _ in _COLUMNS]]
    rows += [[clean(str(document[key])) for _, key in _COLUMNS] for document in documents]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    room = _TITLE_WIDTH
    if stdout.isatty():  # a table that wraps is none
        room = min(room, shutil.get_terminal_size().columns - sum(widths) - len(_GAP) * len(widths))
    titles = ["TITLE", *(document["title"] for document in documents)]
    for row, title in zip(rows, titles, strict=True):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        cells += [short(title, room)] if room >= _NARROWEST_TITLE else []
        stdout.write(_GAP.join(cells).rstrip() + "\n")
    stdout.flush()


def _print_json(stdout: TextIO, value: Mapping[str, Any]) -> None:
    stdout.write(json.dumps(value, separators=(",", ":")) + "\n")
    stdout.flush()
