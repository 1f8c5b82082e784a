"""What `up` prepares: packages, and the demo."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken
from pytest_django.fixtures import Settings

from combine import demo
from combine.preparation import load_packages, migrate_if_needed, unapplied_migration_count
from executions.models import Execution
from workflows.models import Workflow

pytestmark = pytest.mark.django_db


def test_a_bad_package_is_told_and_the_good_ones_are_loaded(tmp_path: Path, settings: Settings) -> None:
    bad = tmp_path / "bad" / "workflows"
    bad.mkdir(parents=True)
    (bad / "broken.json").write_text("{")
    settings.COMBINE_PACKAGES = [tmp_path / "bad", tmp_path / "missing", *settings.COMBINE_PACKAGES]
    said: list[str] = []

    load_packages(said.append)

    assert any("broken.json" in line for line in said)
    assert any("missing" in line for line in said)
    assert Workflow.objects.filter(pk="software_product").exists()


def test_the_demo_is_made_once_and_what_people_change_is_kept(tmp_path: Path, settings: Settings) -> None:
    settings.COMBINE_HOME = tmp_path
    said: list[str] = []
    load_packages(said.append)

    token = demo.ensure_demo(said.append)

    user = User.objects.get(username="demo")
    assert user.is_superuser
    assert user.check_password("demo")
    assert {"operator", "pm", "architect", "ba"} <= set(user.groups.values_list("name", flat=True))
    assert User.objects.filter(is_superuser=True).order_by("pk").first() == user
    assert not User.objects.get(username="operator").is_staff
    assert (tmp_path / "demo_token").stat().st_mode & 0o777 == 0o600
    assert Execution.objects.get().workflow_id == "software_product"

    user.set_password("my own")
    user.save()
    assert demo.ensure_demo(said.append) == token
    user.refresh_from_db()
    assert user.check_password("my own")
    assert Execution.objects.count() == 1


def test_a_demo_token_that_is_no_longer_valid_is_replaced(tmp_path: Path, settings: Settings) -> None:
    settings.COMBINE_HOME = tmp_path
    old = demo.ensure_demo(lambda _line: None)
    AuthToken.objects.all().delete()

    new = demo.ensure_demo(lambda _line: None)

    assert new != old
    assert (tmp_path / "demo_token").read_text().strip() == new


def test_nothing_is_migrated_when_nothing_is_new() -> None:
    said: list[str] = []

    migrate_if_needed(said.append)

    assert unapplied_migration_count() == 0
    assert said == []
