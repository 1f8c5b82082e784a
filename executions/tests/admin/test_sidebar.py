"""The shortcuts on top of the side bar, and accounts and roles below it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from executions.models import Execution, Gate, Project
from executions.tests.admin.desk import at_desk, in_question, in_review, read_form
from executions.tests.engine_cast import person

pytestmark = pytest.mark.django_db

_SHORTCUT = re.compile(r'<li><a href="([^"]+)"[^>]*>([^<]+?)(?: <span class="count[^"]*">(\d+)</span>)?</a></li>')


def shortcuts(client: Client, url: str = "/admin/") -> dict[str, tuple[str, str]]:
    """Return where each shortcut leads, and its count."""
    page = client.get(url).content.decode()
    start = page.index('class="desk-nav"')
    return {label: (url, count) for url, label, count in _SHORTCUT.findall(page[start : page.index("</ul>", start)])}


def test_shortcuts_count_what_waits_for_the_person_for_others_and_what_failed() -> None:
    in_review()
    late = in_question()
    Gate.objects.filter(pk=late.pk).update(due_at=timezone.now() - timedelta(minutes=1))
    failed = in_review().execution
    Execution.objects.filter(pk=failed.pk).update(status="failed")
    found = shortcuts(at_desk("olga"))
    assert {label: count for label, (_, count) in found.items()} == {
        "Needs you": "1",
        "Overdue": "1",
        "Needs others": "1",
        "Failed this week": "1",
        "Health": "",
    }
    rows = at_desk("olga").get(found["Failed this week"][0].replace("&amp;", "&")).context["cl"].result_list
    assert [row.pk for row in rows] == [failed.pk]


def test_they_stand_on_every_page_and_count_nothing_that_is_hidden() -> None:
    in_review()
    Project.objects.get().users.add(person("olga"))
    found = shortcuts(at_desk("ed"), reverse("admin:executions_gate_changelist"))
    assert [count for _, count in found.values()] == ["", "", ""]
    assert 'class="desk-nav"' not in at_desk("nobody").get("/admin/").content.decode()


def test_an_account_is_given_roles_from_a_list() -> None:
    editor = Group.objects.create(name="editor")
    vic, client = person("vic"), at_desk("root")
    url = reverse("admin:auth_user_change", args=(vic.pk,))
    page = client.get(url).content.decode()
    assert "user_permissions" not in page
    assert " style=" not in page
    typed = read_form(client, url, "user_form").values | {"is_staff": "on", "groups": str(editor.pk)}
    typed |= {"notice_preference-0-mail": "at_once", "notice_preference-0-budgets": "at_once"}
    assert client.post(url, typed).status_code == 302
    changed = User.objects.get(pk=vic.pk)
    assert (changed.is_staff, list(changed.groups.all())) == (True, [editor])
    assert "editor" in client.get(reverse("admin:auth_user_changelist")).content.decode()
    role = client.get(reverse("admin:auth_group_change", args=(editor.pk,))).content.decode()
    assert f'<a href="{url}">vic</a>' in role


def test_accounts_are_added_and_given_a_password_by_administrators_only() -> None:
    client = at_desk("root")
    typed = {"username": "zoe", "usable_password": "true", "password1": "a-long-one-7", "password2": "a-long-one-7"}
    assert client.post(reverse("admin:auth_user_add"), typed).status_code == 302
    zoe = User.objects.get(username="zoe")
    assert zoe.check_password("a-long-one-7")
    assert client.get(reverse("admin:auth_user_password_change", args=(zoe.pk,))).status_code == 200
    assert at_desk("olga").get(reverse("admin:auth_user_changelist")).status_code == 403
