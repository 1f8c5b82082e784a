"""The ways of looking at a document at its gate: itself, what changed, its JSON, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest

from documents.models import Document
from documents.rendering import raw_json, render, suggested_places
from executions.admin.gate_page import GatePage
from executions.admin.making import making_of, round_cost
from executions.admin.people import person
from executions.admin.versions import Base, bases_for, changes_since, chosen_base
from executions.amounts import money
from executions.models import DecisionKind
from executions.offers import Offer
from workflows.schemas import InvalidSchema, build_validator

MOST_EDITS = 100
DOCUMENT, CHANGES, JSON_TEXT, MADE, EDIT = "document", "changes", "json", "made", "edit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One way of looking, as a link."""

    label: str
    query: str
    is_current: bool


def view_context(request: HttpRequest, page: GatePage, document: Document, schema: dict[str, Any]) -> dict[str, Any]:
    """Return what the view needs that the address asks for, and the links to the others."""
    user, gate = person(request), page.gate
    bases = bases_for(gate, page.history, user)
    asked = request.GET.get("view", DOCUMENT)
    view = asked if asked in (DOCUMENT, CHANGES, JSON_TEXT, MADE) else DOCUMENT
    if view == CHANGES and not bases:
        view = DOCUMENT
    context: dict[str, Any] = {
        "view": view,
        "tabs": _tabs(view, bases),
        "view_query": _query(view, request.GET.get("base", "")),
        "is_first_version": not bases,
        "findings": _findings(document, schema),
        "places": suggested_places(document.content),
        "edits": _edits(document),
    }
    if view == DOCUMENT:
        context["rendered"] = render(document.content, schema)
    elif view == CHANGES:
        base = chosen_base(bases, request.GET.get("base", ""), gate)
        assert base is not None
        context |= {"bases": bases, "changes": changes_since(base, document, schema, page.history, user)}
    elif view == JSON_TEXT:
        context["raw"] = raw_json(document.content)
    else:
        context["making"] = making_of(gate, document, page.definition, page.history)
    return context


def with_costs(offers: Sequence[Offer], page: GatePage) -> list[Offer]:
    """Add to each button what pressing it may cost, as far as the run's own history tells."""
    if not offers:
        return []
    cost, execution = round_cost(page.gate, page.history), page.gate.execution
    last = f"about {money(cost)}, as the last time" if cost is not None else "no price is known for the last time"
    spent = f"The run has spent {money(execution.cost_usd)}"
    spent += f" of {money(execution.budget_usd)}." if execution.budget_usd is not None else ", and has no budget."
    words = {
        DecisionKind.ACCEPT.value: f"Accepting costs nothing by itself. {spent}",
        DecisionKind.REQUEST_CHANGES.value: f"Cost: {last}.",
        DecisionKind.REJECT.value: f"Costs nothing now; doing it again: {last}.",
    }
    return [replace(offer, effect=f"{offer.effect} {words.get(offer.value, '')}".strip()) for offer in offers]


def _edits(document: Document) -> dict[str, Any] | None:
    """Return what people wrote in this version, with what could not be kept as JSON."""
    if not document.edits:
        return None
    lost = [
        {**each, "text": raw_json(each["value"]) if "value" in each else ""} for each in document.edits.get("lost", ())
    ]
    shown = {name: document.edits.get(name, [])[:MOST_EDITS] for name in ("places", "restored", "released")}
    return {**shown, "lost": lost} if lost or any(shown.values()) else None


def _tabs(view: str, bases: Sequence[Base]) -> list[Tab]:
    labels = [(DOCUMENT, "Document")]
    if bases:
        since = "your review" if bases[0].key == "mine" else f"v{bases[0].document.version}"
        labels.append((CHANGES, f"Changes since {since}"))
    labels += [(JSON_TEXT, "JSON"), (MADE, "How it was made")]
    return [Tab(label=label, query=_query(key), is_current=key == view) for key, label in labels]


def _query(view: str, base: str = "") -> str:
    return urlencode({"view": view} | ({"base": base} if base and view == CHANGES else {}))


def _findings(document: Document, schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say where the document does not fit its schema; it is shown in full all the same."""
    if not schema:
        return []
    try:
        found = build_validator(dict(schema)).problems(document.content, limit=10)
    except InvalidSchema as error:
        return [("", f"The schema of this document type cannot be used: {error}")]
    return [(problem.path, problem.detail) for problem in found]
