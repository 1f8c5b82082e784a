"""System checks for a production deployment: ``manage.py check --deploy``.

Django's own cover cookies, HSTS and DEBUG. What cannot be started at all with a wrong environment is refused earlier,
in ``env.py``; these checks also see settings that were changed otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Name what makes this no production deployment."""
    if settings.COMBINE_ENV != "production":
        return [
            Error(
                "This is a local installation, not a production deployment.",
                hint="Set COMBINE_ENV=production, with COMBINE_SECRET_KEY, COMBINE_ALLOWED_HOSTS and DATABASE_URL.",
                id="combine.E001",
            )
        ]
    messages: list[CheckMessage] = []
    if settings.ENV.database_url is None:
        messages.append(
            Error("The embedded PostgreSQL is for one machine.", hint="Set DATABASE_URL.", id="combine.E002")
        )
    if "*" in settings.ALLOWED_HOSTS:
        messages.append(
            Error(
                "ALLOWED_HOSTS allows every host: requests and sockets of foreign sites would be accepted.",
                hint="Name the hosts in COMBINE_ALLOWED_HOSTS.",
                id="combine.E003",
            )
        )
    if settings.ANTHROPIC_API_KEY is None and settings.ANTHROPIC_BASE_URL is None:
        messages.append(
            Error(
                "No model is configured, and the offline model is refused in production.",
                hint="Set ANTHROPIC_API_KEY.",
                id="combine.E004",
            )
        )
    if settings.COMBINE_THROTTLE["login"] is None:
        messages.append(
            Warning(
                "Passwords may be guessed as often as anybody likes.",
                hint="Set a rate for log-ins: COMBINE_THROTTLE=anon=off,user=off,token=off,start=off leaves that one.",
                id="combine.W002",
            )
        )
    if settings.COMBINE_DEMO:
        messages.append(
            Warning("Demo accounts with known passwords would be made.", hint="Unset COMBINE_DEMO.", id="combine.W001")
        )
    return messages
