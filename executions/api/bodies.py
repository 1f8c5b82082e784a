"""What clients may send. What a value means is checked by the service that takes it, in one place for every door."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from executions.api.fields import AnyJSON, Choice, Flag, Identifier, Money, StrictSerializer, Text
from executions.models import DecisionKind

_DECISIONS = (DecisionKind.ACCEPT.value, DecisionKind.REQUEST_CHANGES.value, DecisionKind.REJECT.value)


class StartBody(StrictSerializer):
    project_id = AnyJSON()
    initial_context = AnyJSON(required=False, allow_null=True, default=None)
    budget_usd = Money(required=False, allow_null=True, default=None)
    revision = Text(required=False, allow_null=True, default=None)


class CancelBody(StrictSerializer):
    reason = Text(required=False, allow_blank=True, default="")


class RetryBody(StrictSerializer):
    reason = Text(required=False, allow_blank=True, default="")
    budget_usd = Money(required=False, allow_null=True, default=None)


class CommentBody(StrictSerializer):
    """A remark on one place of a document; without a path on all of it."""

    path = Text(required=False, allow_blank=True, default="")
    text = Text()


class AcceptanceBody(StrictSerializer):
    """``decision``, or ``accepted`` for clients that know only yes and no."""

    decision = Choice(_DECISIONS, required=False)
    accepted = Flag(required=False)
    comment = Text(required=False, allow_blank=True, default="")
    comments = CommentBody(many=True, required=False, default=list)
    gate_id = Text(required=False, allow_null=True, allow_blank=True, default=None)
    document_id = Identifier(required=False, allow_null=True, default=None)

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
    answers = AnyJSON()
    gate_id = Text(required=False, allow_null=True, allow_blank=True, default=None)


class MembersBody(StrictSerializer):
    users = serializers.ListField(child=Text(max_length=150), required=False, max_length=1000)
    groups = serializers.ListField(child=Text(max_length=150), required=False, max_length=1000)


class ProjectChangeBody(StrictSerializer):
    name = Text(required=False, allow_blank=True, max_length=200)
    members = MembersBody(required=False)


class ProjectBody(ProjectChangeBody):
    project_id = AnyJSON()
