"""Gates and decisions: the inbox of reviewers."""

from __future__ import annotations

from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString

from executions.admin.acceptance import review_document
from executions.admin.bulk import bulk_accept
from executions.admin.claim_acts import assign_gate, claim_view
from executions.admin.clarification import answer_gate
from executions.admin.display import badge, link, moment, readable_json, readable_text, short_id
from executions.admin.filters import ProjectFilter, WaitingFilter, WorkflowFilter
from executions.admin.gate_page import load_gate
from executions.admin.inbox import inbox_view
from executions.admin.rows import ExecutionPartAdmin
from executions.amounts import NOTHING, span
from executions.models import Decision, Gate, GateKind, GateStatus


@admin.register(Gate)
class GateAdmin(ExecutionPartAdmin[Gate]):
    """The list leads to the pages where people decide; the row itself is for looking things up."""

    list_display = ("what", "state", "waiting", "due", "execution_link", "who", "row")
    list_display_links = None
    list_filter = (WaitingFilter, "status", "kind", ProjectFilter, WorkflowFilter)
    list_select_related = ("execution",)
    search_fields = ("=id", "=execution__id", "path", "document_type")
    readonly_fields = (
        "id", "what", "state", "execution_link", "path", "kind", "document_link", "document_version",
        "content_sha256", "roles_named", "users_named", "quorum", "four_eyes", "policy_shown",
        "opened", "due", "escalated", "closed", "questions_shown", "answers_shown",
    )  # fmt: skip
    fields = readonly_fields
    policy_shown = readable_json("policy", "policy")
    questions_shown = readable_json("questions", "questions")
    answers_shown = readable_json("answers", "answers")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Gate]:
        rows = super().get_queryset(request)
        return rows.defer("questions", "answers", "execution__brief", "execution__model_ids")

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        # Before the stock ones, of which one takes any text for the id of a row.
        return [
            path("inbox/", site.admin_view(self.inbox_view), name="executions_gate_inbox"),
            path("accept-several/", site.admin_view(self.bulk_view), name="executions_gate_bulk"),
            path("<uuid:object_id>/claim/", site.admin_view(claim_view), name="executions_gate_claim"),
            path("<uuid:object_id>/hand-on/", site.admin_view(self.assign_view), name="executions_gate_assign"),
            path("<path:object_id>/decide/", site.admin_view(self.decide_view), name="executions_gate_decide"),
            *super().get_urls(),
        ]

    def inbox_view(self, request: HttpRequest) -> HttpResponse:
        """Show what waits, for whom, and what was decided."""
        return inbox_view(request, self.admin_site)

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """Ask whether several documents are to be accepted, and accept them."""
        return bulk_accept(request, self.admin_site)

    def assign_view(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Hand a gate to somebody."""
        return assign_gate(request, self.admin_site, str(object_id))

    def decide_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what a gate asks, and take what a person says."""
        page = load_gate(request, object_id)
        if page.gate.kind == GateKind.ACCEPTANCE:
            return review_document(request, self.admin_site, page)
        return answer_gate(request, self.admin_site, page)

    @admin.display(description="gate", ordering="document_type")
    def what(self, gate: Gate) -> SafeString:
        verb = "Accept" if gate.kind == GateKind.ACCEPTANCE else "Answer questions for"
        version = f" v{gate.document_version}" if gate.document_version else ""
        return link("executions_gate_decide", gate.pk, f"{verb} {gate.document_type}{version} ({gate.scope_id})")

    @admin.display(description="status", ordering="status")
    def state(self, gate: Gate) -> SafeString:
        return badge(gate.status)

    @admin.display(description="waiting", ordering="opened_at")
    def waiting(self, gate: Gate) -> str:
        return span((gate.closed_at or timezone.now()) - gate.opened_at)

    @admin.display(description="due", ordering="due_at")
    def due(self, gate: Gate) -> str:
        is_late = gate.status == GateStatus.OPEN and gate.due_at is not None and gate.due_at < timezone.now()
        return f"{moment(gate.due_at)}{' (overdue)' if is_late else ''}"

    @admin.display(description="execution")
    def execution_link(self, gate: Gate) -> SafeString:
        label = f"{gate.execution.workflow_id} {short_id(gate.execution_id)}"
        return link("executions_execution_change", gate.execution_id, label)

    @admin.display(description="for")
    def who(self, gate: Gate) -> str:
        return ", ".join([*gate.deciding_roles, *gate.users]) or "operator"

    @admin.display(description="details")
    def row(self, gate: Gate) -> SafeString:
        return link("executions_gate_change", gate.pk, short_id(gate.pk))

    @admin.display(description="document")
    def document_link(self, gate: Gate) -> SafeString:
        return link("documents_document_change", gate.document_id, short_id(gate.document_id))

    @admin.display(description="roles")
    def roles_named(self, gate: Gate) -> str:
        return ", ".join(gate.deciding_roles) or NOTHING

    @admin.display(description="users")
    def users_named(self, gate: Gate) -> str:
        return ", ".join(gate.users) or NOTHING

    @admin.display(description="opened")
    def opened(self, gate: Gate) -> str:
        return moment(gate.opened_at)

    @admin.display(description="escalated")
    def escalated(self, gate: Gate) -> str:
        if gate.escalated_at is None:
            return NOTHING
        return f"{moment(gate.escalated_at)}, to {', '.join(gate.escalated_to or ())}"

    @admin.display(description="closed")
    def closed(self, gate: Gate) -> str:
        return moment(gate.closed_at)


@admin.register(Decision)
class DecisionAdmin(ExecutionPartAdmin[Decision]):
    """Decisions are never changed and never removed."""

    execution_field = "gate__execution"
    list_display = ("said", "by", "about", "channel", "time")
    list_display_links = ("time",)
    list_filter = ("decision", "channel")
    list_select_related = ("gate",)
    search_fields = ("by", "=gate__id", "gate__path")
    ordering = ("-decided_at", "-id")
    readonly_fields = (
        "said", "by", "on_behalf_of_shown", "about", "comment_shown", "comments_shown",
        "answers_shown", "document_link", "document_version", "content_sha256", "channel", "time",
    )  # fmt: skip
    fields = readonly_fields
    comment_shown = readable_text("comment", "reason")
    comments_shown = readable_json("comments", "comments on places")
    answers_shown = readable_json("answers", "answers")

    @admin.display(description="decision", ordering="decision")
    def said(self, decision: Decision) -> SafeString:
        return badge(decision.decision)

    @admin.display(description="as the deputy of")
    def on_behalf_of_shown(self, decision: Decision) -> str:
        return decision.on_behalf_of.get_username() if decision.on_behalf_of is not None else NOTHING

    @admin.display(description="gate")
    def about(self, decision: Decision) -> SafeString:
        version = f" v{decision.document_version}" if decision.document_version else ""
        return link(
            "executions_gate_decide", decision.gate_id, f"{decision.gate.path}: {decision.gate.document_type}{version}"
        )

    @admin.display(description="document")
    def document_link(self, decision: Decision) -> SafeString:
        return link("documents_document_change", decision.document_id, short_id(decision.document_id))

    @admin.display(description="time", ordering="decided_at")
    def time(self, decision: Decision) -> str:
        return moment(decision.decided_at)
