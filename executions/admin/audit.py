"""The audit log. For administrators: it says where colleagues were when they did what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from executions.admin.display import badge, link, moment, readable_json, readable_text, short_id
from executions.admin.people import person
from executions.admin.rows import VisibleAdmin
from executions.amounts import NOTHING
from executions.models import AuditAct, AuditEntry, AuditOutcome, AuditSeal

_DAYS = {"1": "the last day", "7": "the last week", "30": "the last 30 days"}
_CHANNELS = ("admin", "api", "page", "terminal", "policy")


class ActFilter(admin.SimpleListFilter):
    """By what was done. The acts are known, so nothing has to be looked for in a long table."""

    title = "act"
    parameter_name = "act"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(act.value, str(act.label)) for act in AuditAct]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(act=self.value()) if self.value() else queryset


class ChannelFilter(admin.SimpleListFilter):
    """By the door."""

    title = "door"
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(channel, channel) for channel in _CHANNELS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(channel=self.value()) if self.value() else queryset


class AgeFilter(admin.SimpleListFilter):
    """By how long ago it was."""

    title = "time"
    parameter_name = "days"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return list(_DAYS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        days = self.value()
        return queryset.filter(at__gte=timezone.now() - timedelta(days=int(days))) if days in _DAYS else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(VisibleAdmin[AuditEntry]):
    """Entries are only ever added; two database triggers and a chain of hashes hold that."""

    list_display = ("act_said", "time", "by", "outcome_shown", "about", "door", "address")
    list_filter = ("outcome", ActFilter, ChannelFilter, AgeFilter)
    search_fields = ("=by", "=execution_id", "=gate_id", "=request_id", "=project_id", "=subject", "=address")
    search_help_text = "A user name, project, address or request id, or the id of a run or gate."
    ordering = ("-id",)
    fields = (
        *("act_said", "outcome_shown", "time", "by", "door", "address", "request_id"),
        *("project_id", "execution_link", "gate_link", "document_link", "content_sha256", "subject"),
        *("before_shown", "after_shown", "detail_shown", "seal"),
    )
    readonly_fields = fields
    before_shown = readable_json("before")
    after_shown = readable_json("after")
    detail_shown = readable_text("detail", "what was said")

    def visible_rows(self, rows: QuerySet[AuditEntry], user: User) -> QuerySet[AuditEntry]:
        return rows if user.is_superuser else rows.none()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        return super().get_search_results(request, queryset, search_term.strip())

    def has_view_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return super().has_view_permission(request, obj) and person(request).is_superuser

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    @admin.display(description="act")
    def act_said(self, entry: AuditEntry) -> str:
        return str(AuditAct(entry.act).label) if entry.act in AuditAct.values else entry.act

    @admin.display(description="time (UTC)")
    def time(self, entry: AuditEntry) -> str:
        return moment(entry.at)

    @admin.display(description="outcome")
    def outcome_shown(self, entry: AuditEntry) -> SafeString | str:
        return badge("refused") if entry.outcome == AuditOutcome.REFUSED else "done"

    @admin.display(description="about")
    def about(self, entry: AuditEntry) -> SafeString | str:
        label = entry.subject or entry.project_id
        if entry.gate_id is not None:
            return link("executions_gate_decide", entry.gate_id, label or short_id(entry.gate_id))
        if entry.execution_id is not None:
            return link("executions_execution_change", entry.execution_id, label or short_id(entry.execution_id))
        return label or NOTHING

    @admin.display(description="door")
    def door(self, entry: AuditEntry) -> str:
        return entry.channel

    @admin.display(description="run")
    def execution_link(self, entry: AuditEntry) -> SafeString:
        return link("executions_execution_change", entry.execution_id, short_id(entry.execution_id))

    @admin.display(description="gate")
    def gate_link(self, entry: AuditEntry) -> SafeString:
        return link("executions_gate_decide", entry.gate_id, short_id(entry.gate_id))

    @admin.display(description="document seen")
    def document_link(self, entry: AuditEntry) -> SafeString:
        label = f"version {entry.document_version} ({short_id(entry.document_id)})"
        return link("documents_document_change", entry.document_id, label)

    @admin.display(description="seal")
    def seal(self, entry: AuditEntry) -> str:
        found = AuditSeal.objects.filter(pk=entry.pk).first()
        return f"{entry.pk}:{found.sha256}" if found is not None else "not yet; a worker seals every minute"
