"""The review desk: the admin site of The Combine. Each module registers one group of rows; importing is what
Django's autodiscovery expects of this package."""

from django.contrib import admin

from executions.admin import (
    accounts,
    audit,
    budgets,
    calls,
    deputies,
    documents,
    events,
    executions,
    gates,
    projects,
    steps,
    webhooks,
)

admin.site.site_header = admin.site.site_title = "The Combine"
admin.site.index_title = "Review desk"
admin.site.site_url = None

__all__ = [
    "accounts",
    "audit",
    "budgets",
    "calls",
    "deputies",
    "documents",
    "events",
    "executions",
    "gates",
    "projects",
    "steps",
    "webhooks",
]
