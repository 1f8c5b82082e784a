"""The commands create_user and create_token."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from knox.auth import TokenAuthentication
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed

pytestmark = pytest.mark.django_db


def run(command: str, *arguments: str) -> str:
    output = StringIO()
    call_command(command, *arguments, stdout=output, stderr=StringIO())
    return output.getvalue()


def role_names(user: User) -> list[str]:
    return sorted(user.groups.values_list("name", flat=True))


@pytest.mark.parametrize(
    ("roles", "is_staff", "is_superuser"),
    [
        ("", False, False),
        ("viewer", False, False),
        ("operator,viewer", False, False),
        ("pm", True, False),
        ("operator, architect", True, False),
        ("admin", True, True),
    ],
)
def test_roles_decide_what_an_account_may_enter(roles: str, is_staff: bool, is_superuser: bool) -> None:
    run("create_user", "alice", "--password", "a", "--roles", roles)

    alice = User.objects.get(username="alice")
    assert role_names(alice) == sorted(role.strip() for role in roles.split(",") if role)
    assert (alice.is_staff, alice.is_superuser) == (is_staff, is_superuser)
    assert alice.check_password("a")


def test_an_account_without_a_password_cannot_log_in_with_one() -> None:
    run("create_user", "robot", "--roles", "operator")

    assert not User.objects.get(username="robot").has_usable_password()


def test_an_existing_account_is_changed_only_when_asked() -> None:
    run("create_user", "alice", "--password", "first", "--roles", "admin")

    with pytest.raises(CommandError, match=r"already.*--update"):
        run("create_user", "alice", "--password", "second", "--roles", "viewer")
    assert User.objects.get(username="alice").check_password("first")

    run("create_user", "alice", "--roles", "viewer", "--update")
    alice = User.objects.get(username="alice")
    assert alice.check_password("first")
    assert role_names(alice) == ["viewer"]
    assert (alice.is_staff, alice.is_superuser) == (False, False)

    run("create_user", "alice", "--password", "second", "--update")
    alice = User.objects.get(username="alice")
    assert alice.check_password("second")
    assert role_names(alice) == ["viewer"]


def test_an_address_for_mail_is_set_and_changed() -> None:
    run("create_user", "alice", "--password", "first", "--email", "alice@example.org")
    assert User.objects.get(username="alice").email == "alice@example.org"
    run("create_user", "alice", "--email", "a@example.org", "--update")
    alice = User.objects.get(username="alice")
    assert (alice.email, alice.check_password("first")) == ("a@example.org", True)
    for action in ("--update", "--roles=viewer"):
        with pytest.raises(CommandError, match="valid email"):
            run("create_user", "alice" if action == "--update" else "bob", "--email", "nowhere", action)


def test_an_unknown_account_cannot_be_changed() -> None:
    with pytest.raises(CommandError, match="no user 'mallory'"):
        run("create_user", "mallory", "--roles", "admin", "--update")


@pytest.mark.parametrize("name", ["two words", "a/b", "x" * 151])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(CommandError):
        run("create_user", name, "--password", "p")
    assert not User.objects.exists()


def test_a_token_is_printed_alone_and_works() -> None:
    run("create_user", "alice", "--password", "a", "--roles", "operator")

    output = run("create_token", "alice")

    token = output.removesuffix("\n")
    assert token.startswith("cmb_")
    assert token.split() == [token]
    user, _ = TokenAuthentication().authenticate_credentials(token.encode())
    assert user.username == "alice"
    stored = AuthToken.objects.get()
    assert token not in (stored.digest, stored.token_key)


def test_a_token_ends_when_asked() -> None:
    run("create_user", "alice", "--password", "a")
    token = run("create_token", "alice", "--expires", "2").strip()
    stored = AuthToken.objects.get()
    assert timedelta(days=1, hours=23) < stored.expiry - timezone.now() <= timedelta(days=2)

    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))

    with pytest.raises(AuthenticationFailed):
        TokenAuthentication().authenticate_credentials(token.encode())


@pytest.mark.parametrize("days", ["0", "-1", "99999"])
def test_a_token_that_would_never_be_valid_or_never_end_is_refused(days: str) -> None:
    run("create_user", "alice", "--password", "a")
    with pytest.raises(CommandError, match="--expires"):
        run("create_token", "alice", "--expires", days)


def test_a_token_for_nobody_is_refused() -> None:
    with pytest.raises(CommandError, match="no user 'mallory'"):
        run("create_token", "mallory")


def test_a_token_for_an_inactive_account_is_refused() -> None:
    run("create_user", "alice", "--password", "a")
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match="not active"):
        run("create_token", "alice")
