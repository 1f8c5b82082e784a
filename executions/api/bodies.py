"""What clients may send. What a value means is checked by the service that takes it, in one place for every door."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from executions.api.fields import AnyJSON, Choice, Flag, Identifier, Money, StrictSerializer, Text
from executions.api.serializers import ANSWERS
from executions.models import DecisionKind

JSON = dict[str, Any]

_DECISIONS = (DecisionKind.ACCEPT.value, DecisionKind.REQUEST_CHANGES.value, DecisionKind.REJECT.value)

# What clients are told of a value; that it is so is checked by the service that takes it.
_PROJECT_ID = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
_BRIEF = {"type": "object", "additionalProperties": True, "description": "What a run is about: free JSON."}
_HAS_REASON = [
    {"required": ["comment"], "properties": {"comment": {"pattern": "\\S"}}},
    {"required": ["comments"], "properties": {"comments": {"minItems": 1}}},
]


def _when(condition: JSON, then: JSON, otherwise: JSON) -> JSON:
    return {"if": {"required": [*condition], "properties": condition}, "then": then, "else": otherwise}


@extend_schema_field({"type": "string", "maxLength": 2000})
class ReasonText(Text):
    """Why somebody does something."""


@extend_schema_field({"type": "string", "maxLength": 10_000})
class CommentText(Text):
    """What somebody has to say of a document."""


@extend_schema_field({"type": "string", "maxLength": 10_000, "pattern": "\\S"})
class RemarkText(Text):
    """What somebody has to say of a place in it: never nothing."""


@extend_schema_field({"type": "string", "maxLength": 1000, "pattern": "^(/([^~/]|~[01])*)*$"})
class PointerText(Text):
    """A JSON Pointer."""


@extend_schema_field({"type": "string", "format": "uuid"})
class GateIdText(Text):
    """The id of a gate. What is none names no gate."""


class StartBody(StrictSerializer):
    """What a run is started with."""

    project_id = AnyJSON(_PROJECT_ID, help_text="The project is made by its first start.")
    initial_context = AnyJSON(
        _BRIEF,
        "Brief",
        required=False,
        allow_null=True,
        default=None,
        help_text="The brief, at most 1 MB. A key named like a document type of the root scope brings that document,"
        " which is checked against its schema.",
    )
    budget_usd = Money(required=False, allow_null=True, default=None, help_text="Without one there is no limit.")
    revision = Text(
        required=False, allow_null=True, default=None, help_text="A revision's name or digest; else the current one."
    )


class CancelBody(StrictSerializer):
    """Why a run is ended."""

    reason = ReasonText(required=False, allow_blank=True, default="")


class RetryBody(StrictSerializer):
    """Why a run goes on, and what it may cost from now on."""

    reason = ReasonText(required=False, allow_blank=True, default="", help_text="The model is told.")
    budget_usd = Money(required=False, allow_null=True, default=None, help_text="Replaces the budget.")


class CommentBody(StrictSerializer):
    """A remark on one place of a document; without a path on all of it."""

    path = PointerText(required=False, allow_blank=True, default="")
    text = RemarkText()


class AcceptanceBody(StrictSerializer):
    """A decision on a document: `decision`, or `accepted` for clients that know only yes and no. To request changes,
    say which: in `comment`, or in `comments` on places of the document."""

    decision = Choice(_DECISIONS, required=False, enum_name="Verdict")
    accepted = Flag(required=False, help_text="`true` accepts, `false` rejects; with a `decision` it must agree.")
    comment = CommentText(required=False, allow_blank=True, default="")
    comments = CommentBody(many=True, required=False, default=list)
    gate_id = GateIdText(
        required=False,
        allow_null=True,
        allow_blank=True,
        default=None,
        help_text="Needed only where several gates are open that the caller may decide.",
    )
    document_id = Identifier(
        required=False, allow_null=True, default=None, help_text="What the caller has read: 409 if it is another one."
    )

    rules: ClassVar[JSON] = _when(
        {"decision": {"const": DecisionKind.REQUEST_CHANGES.value}},
        {"anyOf": _HAS_REASON, "properties": {"accepted": {"const": False}}},
        _when(
            {"accepted": {"const": True}},
            {"properties": {"decision": {"const": DecisionKind.ACCEPT.value}}},
            _when(
                {"accepted": {"const": False}},
                {"properties": {"decision": {"const": DecisionKind.REJECT.value}}},
                {"required": ["decision"]},
            ),
        ),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        said = attrs.get("decision")
        if "accepted" in attrs:
            meant = DecisionKind.ACCEPT.value if attrs["accepted"] else DecisionKind.REJECT.value
            # Sending it back is no acceptance either.
            is_at_odds = said is not None and (said == DecisionKind.ACCEPT.value) != attrs["accepted"]
            if is_at_odds:
                text = f"accepted={str(attrs['accepted']).lower()} and decision={said} contradict each other"
                raise serializers.ValidationError({"accepted": [text]}, code="contradiction")
            attrs["decision"] = said or meant
        if attrs.get("decision") is None:
            raise serializers.ValidationError({"decision": ["say accept, request_changes or reject"]}, code="required")
        return attrs


class ClarificationBody(StrictSerializer):
    """Answers to a gate's questions."""

    answers = AnyJSON(ANSWERS, "Answers")
    gate_id = GateIdText(
        required=False,
        allow_null=True,
        allow_blank=True,
        default=None,
        help_text="Needed only where several gates are open that the caller may answer.",
    )


class MembersBody(StrictSerializer):
    """Names of accounts and of groups that exist. A list that is given replaces the old one."""

    users = serializers.ListField(child=Text(max_length=150), required=False, max_length=1000)
    groups = serializers.ListField(child=Text(max_length=150), required=False, max_length=1000)


class ProjectChangeBody(StrictSerializer):
    """What is to be changed; what is not given stays."""

    name = Text(required=False, allow_blank=True, max_length=200)
    members = MembersBody(required=False)


class ProjectBody(ProjectChangeBody):
    """A project before its first start."""

    project_id = AnyJSON(_PROJECT_ID)
