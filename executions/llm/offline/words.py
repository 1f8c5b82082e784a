"""Plain English for generated documents: dull on purpose, and never mistaken for advice."""

from __future__ import annotations

import random
import re
from typing import Any

_NOUNS = (
    "account", "approval", "archive", "audit", "backlog", "catalogue", "checkout", "customer", "delivery",
    "directory", "invoice", "ledger", "message", "notice", "order", "payment", "profile", "queue", "record",
    "report", "request", "schedule", "search", "session", "shipment", "signature", "storage", "team", "ticket",
)  # fmt: skip
_VERBS = (
    "approves", "archives", "checks", "confirms", "corrects", "exports", "filters", "imports", "lists", "merges",
    "opens", "records", "reviews", "schedules", "sends", "shares", "signs", "stores", "tracks", "updates",
)  # fmt: skip
_ADJECTIVES = (
    "accepted", "clear", "complete", "current", "daily", "early", "final", "internal", "local", "monthly", "open",
    "pending", "public", "recent", "regular", "shared", "simple", "single", "typed", "weekly",
)  # fmt: skip
_PEOPLE = ("operator", "reviewer", "customer", "analyst", "administrator", "developer", "tester", "manager")
_PERSON_NAMES = ("Alex Moreno", "Dana Whitfield", "Ilse Brandt", "Noor Haddad", "Priya Raman", "Tomas Lindqvist")

ITEM_PROPERTIES: dict[str, Any] = {
    "id": {"type": "string"},
    "title": {"type": "string"},
    "description": {"type": "string"},
}


def noun(rng: random.Random) -> str:
    return rng.choice(_NOUNS)


def title(rng: random.Random) -> str:
    return f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)} {rng.choice(_NOUNS)}".capitalize()


def sentence(rng: random.Random) -> str:
    return (
        f"The {rng.choice(_PEOPLE)} {rng.choice(_VERBS)} the {rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)} "
        f"before the {rng.choice(_NOUNS)} is {rng.choice(('closed', 'sent', 'stored', 'shown', 'changed'))}."
    )


def text_for(name: str, rng: random.Random) -> str:
    """Return text that fits a property of that name: an id, a title, a person, or sentences."""
    lowered = name.lower()
    if lowered == "id" or lowered.endswith(("_id", "_key", "_code", "_ref")):
        return f"{id_prefix(lowered.removesuffix('_id'))}{rng.randint(1, 99)}"
    if lowered in ("version", "revision") or lowered.endswith("_version"):
        return f"1.{rng.randint(0, 9)}"
    if lowered in ("owner", "author", "assignee", "contact", "reporter", "person"):
        return rng.choice(_PERSON_NAMES)
    if any(part in lowered for part in ("title", "name", "heading", "label", "subject", "goal", "term")):
        return title(rng)
    if any(part in lowered for part in ("description", "summary", "overview", "text", "content", "body", "rationale")):
        return f"{sentence(rng)} {sentence(rng)}"
    return sentence(rng)


def plain_document(rng: random.Random) -> dict[str, Any]:
    """Return what an object is given when its schema says nothing about it."""
    return {
        "title": title(rng),
        "summary": sentence(rng),
        "sections": [{"heading": title(rng), "text": f"{sentence(rng)} {sentence(rng)}"} for _ in range(3)],
    }


def singular(name: str) -> str:
    """Return the name of one of ``name``: ``stories`` gives ``story``."""
    if name.endswith("ies") and len(name) > 4:
        return name[:-3] + "y"
    return name[:-1] if name.endswith("s") and not name.endswith("ss") and len(name) > 3 else name


def id_prefix(name: str) -> str:
    """Return the letter that ids of these things begin with: ``epics`` gives ``E``."""
    return next((char.upper() for char in name if char.isascii() and char.isalpha()), "I")


def matches(pattern: str, text: str) -> bool:
    """Whether ``text`` matches a schema's pattern; no, if the pattern is not one of Python's."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False
