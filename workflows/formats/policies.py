"""Acceptance policies: ``acceptance_required``, ``accepted_by`` and ``acceptance`` of a document type."""

from __future__ import annotations

from typing import Literal

from workflows.definition import AcceptancePolicy
from workflows.durations import BadDuration, parse_duration
from workflows.formats.reading import Reader, shown

NAME_LENGTH = 150  # of a Django group or user name
MAX_QUORUM = 100
MAX_REWORK_ROUNDS = 1000


def read_acceptance(doc_type: Reader) -> AcceptancePolicy | None:
    """Return the policy of a document type, or ``None`` where it needs no acceptance."""
    found = doc_type.context.found
    is_required = doc_type.boolean("acceptance_required", default=False)
    roles = doc_type.texts("accepted_by", length=NAME_LENGTH)
    reader = doc_type.object("acceptance", required=False)
    policy = _read_policy(reader, roles) if reader else AcceptancePolicy(roles=roles)
    if not is_required:
        for key in ("accepted_by", "acceptance"):
            if doc_type.has(key):
                found.warning("NO_EFFECT", doc_type.place(key), f"{key} has no effect without acceptance_required")
        return None
    if not policy.roles and not policy.users:
        found.warning(
            "NO_ACCEPTORS", doc_type.path, "nobody is named in accepted_by: anyone with the operator role may decide"
        )
    elif not policy.roles and policy.quorum > len(policy.users):
        path = reader.place("quorum") if reader else doc_type.path
        found.error("BAD_POLICY", path, f"a quorum of {policy.quorum} cannot be met by {len(policy.users)} users")
    return policy


def _read_policy(reader: Reader, roles: tuple[str, ...]) -> AcceptancePolicy:
    policy = AcceptancePolicy(
        roles=roles,
        users=reader.texts("users", length=NAME_LENGTH),
        quorum=reader.integer("quorum", 1, MAX_QUORUM) or 1,
        four_eyes=reader.boolean("four_eyes", default=False),
        due_in=_duration(reader, "due_in"),
        remind_every=_duration(reader, "remind_every"),
        escalate_to=reader.texts("escalate_to", length=NAME_LENGTH),
        on_timeout=_on_timeout(reader),
        max_rework_rounds=reader.integer("max_rework_rounds", 0, MAX_REWORK_ROUNDS),
    )
    for key in ("escalate_to", "on_timeout"):
        if reader.has(key) and not reader.has("due_in"):
            reader.context.found.warning("NO_EFFECT", reader.place(key), f"{key} has no effect without due_in")
    reader.finish()
    return policy


def _duration(reader: Reader, key: str) -> str | None:
    text = reader.text(key, required=False)
    if not text and not isinstance(reader.raw(key), str):
        return None
    try:
        parse_duration(text)
    except BadDuration as error:
        reader.context.found.error("BAD_DURATION", reader.place(key), f"{key}: {error}, not {shown(text)}")
        return None
    return text


def _on_timeout(reader: Reader) -> Literal["fail", "accept"] | None:
    match reader.raw("on_timeout"):
        case None:
            return None
        case "fail":
            return "fail"
        case "accept":
            return "accept"
        case other:
            reader.context.found.error(
                "BAD_POLICY", reader.place("on_timeout"), f"on_timeout must be 'fail' or 'accept', not {shown(other)}"
            )
            return None
