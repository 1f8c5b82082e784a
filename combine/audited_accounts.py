"""Accounts, roles and tokens in the audit log, whichever door they are changed by: the admin site, a command, a shell.

They are rows of Django's and of the token library's, changed by pages of theirs as well, so what is watched is the
rows. Passwords and tokens themselves are never written down.
"""

from __future__ import annotations

import getpass
from collections.abc import Collection
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from knox.models import AuthToken

from combine.models import ApiToken
from executions.origin import TERMINAL, current_origin
from executions.services import audit
from executions.services.audit import AuditAct

_WATCHED = ("username", "email", "is_active", "is_staff", "is_superuser")


def watch_accounts() -> None:
    """Begin to write down what happens to accounts, their roles and their tokens."""
    uid = "combine.audit"
    pre_save.connect(_remember, sender=User, dispatch_uid=uid)
    post_save.connect(_account_saved, sender=User, dispatch_uid=uid)
    post_delete.connect(_account_removed, sender=User, dispatch_uid=uid)
    m2m_changed.connect(_roles_changed, sender=User.groups.through, dispatch_uid=uid)
    m2m_changed.connect(_rights_changed, sender=Group.permissions.through, dispatch_uid=uid)
    post_save.connect(_token_made, sender=AuthToken, dispatch_uid=uid)
    # The admin site revokes by the proxy, which Django names as the sender.
    post_delete.connect(_token_revoked, sender=AuthToken, dispatch_uid=uid)
    post_delete.connect(_token_revoked, sender=ApiToken, dispatch_uid=uid)


def _record(
    act: AuditAct, subject: str, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
) -> None:
    origin = current_origin()
    actor = origin.person()
    by = "" if actor is not None else _nobody(origin.channel)
    audit.record(act=act, actor=actor, about=audit.About(subject=subject), before=before, after=after, by=by)


def _nobody(channel: str) -> str:
    """Return who acts where nobody has logged in: at a terminal the account of the machine."""
    if channel != TERMINAL:
        return "nobody"
    try:
        return f"{getpass.getuser()} (machine account)"
    except (KeyError, OSError):  # a container without a name for its user
        return "machine account"


def _facts(user: User) -> dict[str, Any]:
    return {name: getattr(user, name) for name in _WATCHED}


def _remember(sender: type[User], instance: User, update_fields: Collection[str] | None = None, **_: Any) -> None:
    """Keep what the row holds before it is saved. A log-in saves its time only, and is no change."""
    is_change = update_fields is None or set(update_fields) - {"last_login"}
    stored = User.objects.filter(pk=instance.pk).first() if is_change and instance.pk is not None else None
    instance._stored_before = stored  # type: ignore[attr-defined]


def _account_saved(sender: type[User], instance: User, created: bool, **_: Any) -> None:
    if created:
        _record(AuditAct.ACCOUNT_CREATE, instance.username, after=_facts(instance))
        return
    stored: User | None = getattr(instance, "_stored_before", None)
    if stored is None:
        return
    old, new = _facts(stored), _facts(instance)
    changed = [name for name in _WATCHED if old[name] != new[name]]
    before, after = {name: old[name] for name in changed}, {name: new[name] for name in changed}
    if stored.password != instance.password:
        after["password"] = "changed"  # noqa: S105 - that it was, not to what
    if after:
        _record(AuditAct.ACCOUNT_CHANGE, instance.username, before=before, after=after)


def _account_removed(sender: type[User], instance: User, **_: Any) -> None:
    _record(AuditAct.ACCOUNT_DELETE, instance.username, before=_facts(instance))


def _roles_changed(
    sender: Any, instance: User | Group, action: str, reverse: bool, pk_set: set[int] | None, **_: Any
) -> None:
    """Write down roles that were given or taken; ``reverse``: by way of the group."""
    if action == "pre_clear":
        others = instance.user_set.all() if isinstance(instance, Group) else instance.groups.all()
        pk_set, action = set(others.values_list("pk", flat=True)), "post_remove"
    if action not in ("post_add", "post_remove") or not pk_set:
        return
    if isinstance(instance, Group):
        pairs = [(user.username, [instance.name]) for user in User.objects.filter(pk__in=pk_set).order_by("pk")]
    else:
        names = Group.objects.filter(pk__in=pk_set).order_by("name").values_list("name", flat=True)
        pairs = [(instance.username, list(names))]
    for username, roles in pairs:
        given, taken = ({"roles": roles}, None) if action == "post_add" else (None, {"roles": roles})
        _record(AuditAct.ACCOUNT_CHANGE, username, before=taken, after=given)


def _rights_changed(sender: Any, instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **_: Any) -> None:
    """Write down rights that were given to a role or taken from it, such as that to set budgets."""
    if reverse or action not in ("post_add", "post_remove") or not pk_set:
        return
    names = Permission.objects.filter(pk__in=pk_set).order_by("codename").values_list("codename", flat=True)
    rights = {"rights": list(names)}
    given, taken = (rights, None) if action == "post_add" else (None, rights)
    _record(AuditAct.ACCOUNT_CHANGE, f"role {instance.name}", before=taken, after=given)


def _token_made(sender: Any, instance: Any, created: bool, **_: Any) -> None:
    if created:
        expiry = None if instance.expiry is None else instance.expiry.isoformat()
        after = {"token": instance.token_key, "expires_at": expiry}
        _record(AuditAct.TOKEN_CREATE, instance.user.get_username(), after=after)


def _token_revoked(sender: Any, instance: Any, **_: Any) -> None:
    _record(AuditAct.TOKEN_REVOKE, instance.user.get_username(), before={"token": instance.token_key})
