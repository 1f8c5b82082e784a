"""Whatever may take away somebody's right to a stream has the open ones looked at again, at once.

Signals, and not calls, since accounts, groups and tokens are also changed by the admin site, by commands and by
Django itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, User
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import m2m_changed, post_delete, post_save
from knox.models import AuthToken

from executions.models import Project
from executions.notifications import publish_access_change

_LOSING = frozenset({"post_add", "post_remove", "post_clear"})


def connect() -> None:
    """Connect the receivers; once, when the apps are ready."""
    # A token may be deleted under the name of any model that stands for its table.
    for model in [each for each in apps.get_models() if issubclass(each, AuthToken)]:
        post_delete.connect(_token_deleted, sender=model, dispatch_uid=f"combine.streams.{model._meta.label}")
    post_save.connect(_user_saved, sender=User, dispatch_uid="combine.streams.user")
    post_delete.connect(_user_deleted, sender=User, dispatch_uid="combine.streams.user")
    post_delete.connect(_group_deleted, sender=Group, dispatch_uid="combine.streams.group")
    user_logged_out.connect(_logged_out, dispatch_uid="combine.streams.logout")
    for sender in (User.groups.through, Project.users.through, Project.groups.through):
        m2m_changed.connect(_members_changed, sender=sender, dispatch_uid=f"combine.streams.{sender.__name__}")


def _token_deleted(instance: Any, **_: Any) -> None:
    publish_access_change([instance.user_id])


def _user_saved(instance: User, created: bool, update_fields: Iterable[str] | None, **_: Any) -> None:
    if not created and set(update_fields or ()) != {"last_login"}:
        publish_access_change([instance.pk])


def _user_deleted(instance: User, **_: Any) -> None:
    publish_access_change([instance.pk])


def _group_deleted(**_: Any) -> None:
    publish_access_change(None)


def _logged_out(user: User | None, **_: Any) -> None:
    if user is not None:
        publish_access_change([user.pk])


def _members_changed(instance: Any, action: str, reverse: bool, sender: Any, **_: Any) -> None:
    if action not in _LOSING:
        return
    # Somebody's groups concern them alone. A project's first members shut out all others.
    is_one_user = sender is User.groups.through and not reverse
    publish_access_change([instance.pk] if is_one_user else None)
