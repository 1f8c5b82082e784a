"""Accounts, roles and tokens in the audit log, whichever door they are changed by."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from knox.models import AuthToken

from combine.accounts import create_account, create_token, update_account
from executions.models import AuditEntry

pytestmark = pytest.mark.django_db


def entries() -> list[AuditEntry]:
    return list(AuditEntry.objects.order_by("id"))


def acts() -> list[str]:
    return [entry.act for entry in entries()]


def test_an_account_made_at_a_terminal_is_written_down_without_its_password() -> None:
    call_command("create_user", "pia", "--password", "very-secret-1", "--roles", "pm,operator", verbosity=0)
    made, roles, staff = entries()
    assert (made.act, made.subject, made.channel) == ("account.create", "pia", "terminal")
    assert made.by.endswith("machine account)") or made.by == "machine account"
    assert made.user_id is None
    assert roles.after == {"roles": ["operator", "pm"]}
    assert staff.after == {"is_staff": True}
    assert "very-secret-1" not in str([vars(entry) for entry in entries()])


def test_roles_and_passwords_that_change_are_written_down_before_and_after() -> None:
    create_account(name="pia", password=None, roles=["pm"])
    count = len(entries())
    update_account(name="pia", password="other-secret", roles=["admin"])
    new = entries()[count:]
    assert [entry.act for entry in new] == ["account.change"] * len(new)
    assert new[0].after == {"password": "changed"}
    assert {"roles": ["pm"]} in [entry.before for entry in new]
    assert {"roles": ["admin"]} in [entry.after for entry in new]
    assert {"is_superuser": True} in [entry.after for entry in new]


def test_a_group_that_is_emptied_takes_the_role_of_each_of_its_members() -> None:
    create_account(name="pia", password=None, roles=["pm"])
    create_account(name="ben", password=None, roles=["pm"])
    count = len(entries())
    Group.objects.get(name="pm").user_set.clear()
    assert [(entry.subject, entry.before) for entry in entries()[count:]] == [
        ("pia", {"roles": ["pm"]}),
        ("ben", {"roles": ["pm"]}),
    ]


def test_a_token_is_written_down_when_it_is_made_and_when_it_is_revoked() -> None:
    create_account(name="pia", password=None, roles=["pm"])
    text = create_token(name="pia", days=3)
    AuthToken.objects.get().delete()
    made, revoked = entries()[-2:]
    after = made.after or {}
    assert (made.act, made.subject, after["token"]) == ("token.create", "pia", text[:15])
    assert after["expires_at"]
    assert (revoked.act, revoked.before) == ("token.revoke", {"token": text[:15]})
    assert text not in str([vars(entry) for entry in entries()])


def test_what_is_done_in_the_admin_site_says_who_did_it_and_from_where() -> None:
    root = User.objects.create_superuser("root", password="x")
    client = Client(REMOTE_ADDR="203.0.113.9")
    client.force_login(root)
    assert acts().count("account.change") == 0
    client.post(reverse("admin:combine_apitoken_add"), {"owner": "root", "label": "x", "days": "3"})
    token = AuthToken.objects.get()
    client.post(reverse("admin:combine_apitoken_delete", args=(token.pk,)), {"post": "yes"})
    made, revoked = entries()[-2:]
    assert (made.act, made.by, made.user_id) == ("token.create", "root", root.pk)
    assert (made.channel, made.address) == ("admin", "203.0.113.9")
    assert bool(made.request_id)
    assert (revoked.act, revoked.by) == ("token.revoke", "root")
    assert acts().count("token.revoke") == 1


def test_an_account_that_is_removed_leaves_its_entries() -> None:
    create_account(name="pia", password=None, roles=[])
    User.objects.get(username="pia").delete()
    assert acts() == ["account.create", "account.delete"]
