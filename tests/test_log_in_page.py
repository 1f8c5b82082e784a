"""The log-in names the demo accounts in a local demo, and nowhere else."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from combine.demo import ACCOUNTS, ensure_demo

pytestmark = pytest.mark.django_db


def demo_part(page: str) -> str:
    return page.partition("Demo accounts")[2]


def test_a_local_demo_names_its_accounts_and_one_click_logs_in(settings: Settings, tmp_path: object) -> None:
    settings.COMBINE_DEMO, settings.COMBINE_HOME = True, tmp_path
    ensure_demo(lambda text: None)
    client = Client()
    page = client.get("/login?next=/projects/").content.decode()
    for account in ACCOUNTS:
        assert f'name="username" value="{account.name}"' in demo_part(page)
        assert account.purpose in demo_part(page)
        sent = {"username": account.name, "password": account.name, "next": "/projects/"}
        assert Client().post("/login", sent)["Location"] == "/projects/"
    assert User.objects.count() == len(ACCOUNTS)


@pytest.mark.parametrize(("demo", "deployment"), [(False, "local"), (True, "production")])
def test_anywhere_else_nothing_is_named(demo: bool, deployment: str, settings: Settings) -> None:
    settings.COMBINE_DEMO, settings.COMBINE_ENV = demo, deployment
    page = Client().get("/login").content.decode()
    assert "Demo" not in page
    assert all(f'value="{account.name}"' not in page for account in ACCOUNTS)
