"""Where the demo is not loaded: nothing is stored then, and it is said why."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import Settings

from executions.models import Execution
from executions.tests.driving import drive
from executions.tests.engine_cast import start
from executions.tests.engine_definitions import single

pytestmark = pytest.mark.django_db


def load_demo(*options: str) -> str:
    output = StringIO()
    call_command("load_demo", *options, stdout=output, stderr=StringIO())
    return output.getvalue()


def test_a_dry_run_says_what_it_would_do_and_does_nothing() -> None:
    assert "40 executions over the past 30 days" in load_demo("--dry-run")
    assert not Execution.objects.exists()
    assert not User.objects.exists()


def test_production_is_refused(settings: Settings) -> None:
    settings.COMBINE_ENV = "production"
    with pytest.raises(CommandError, match=r"COMBINE_ENV is production.*--force"):
        load_demo()
    assert "40 executions" in load_demo("--dry-run", "--force")


def test_a_database_with_runs_of_a_real_model_is_refused() -> None:
    drive(start(single()))
    with pytest.raises(CommandError, match=r"runs of a real model.*--force"):
        load_demo()


def test_nobody_is_taken_for_one_of_the_demos_people() -> None:
    User.objects.create_user("marta")
    with pytest.raises(CommandError, match="there is an account marta already"):
        load_demo("--force")
