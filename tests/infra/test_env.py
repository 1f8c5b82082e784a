"""The environment: defaults, and what a wrong value is answered with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from combine.email_url import email_settings
from combine.env import BASE_DIR, EnvironmentProblem, read_env
from combine.postgres_url import database_settings
from combine.secret_key import local_secret_key
from tests.infra.conftest import python_environment

PRODUCTION = {
    "COMBINE_ENV": "production",
    "COMBINE_SECRET_KEY": "k3y-" * 5 + "with-enough-different-characters-in-it",
    "COMBINE_ALLOWED_HOSTS": "combine.example.org",
    "DATABASE_URL": "postgresql://combine:s%40crable@db.example.org:5433/combine?sslmode=require",
    "ANTHROPIC_API_KEY": "a key",
}


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COMBINE_", "ANTHROPIC_"))}
    kept.pop("DJANGO_SETTINGS_MODULE", None)
    return subprocess.run(
        [sys.executable, str(BASE_DIR / "manage.py"), *arguments],
        capture_output=True,
        text=True,
        env=kept | environment,
        timeout=60,
        check=False,
    )


def test_nothing_needs_to_be_set() -> None:
    env = read_env({})

    assert (env.deployment, env.host, env.port, env.workers, env.worker_concurrency) == (
        "local",
        "127.0.0.1",
        8000,
        1,
        300,
    )
    assert env.home == BASE_DIR / "var"
    assert env.packages == (BASE_DIR / "examples",)
    assert env.is_demo
    assert not env.is_debug


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("COMBINE_PORT", "http", "COMBINE_PORT='http': give a whole number from 1 to 65535"),
        ("COMBINE_PORT", "70000", "from 1 to 65535"),
        ("COMBINE_ENV", "prod", "COMBINE_ENV='prod': give one of local, production"),
        ("COMBINE_DEMO", "maybe", "COMBINE_DEMO='maybe': give 1 or 0"),
        ("COMBINE_WORKER_CONCURRENCY", "0", "COMBINE_WORKER_CONCURRENCY='0'"),
        ("COMBINE_MODELS", "sonnet", "COMBINE_MODELS='sonnet': give alias=model-id pairs"),
        ("COMBINE_MODELS", '{"sonnet": 4}', "give alias=model-id pairs"),
        ("COMBINE_THROTTLE", "fast", "COMBINE_THROTTLE='fast': give off, a rate"),
        ("COMBINE_MAX_ACTIVE_RUNS_PER_USER", "-1", "COMBINE_MAX_ACTIVE_RUNS_PER_USER='-1': give a whole number from 0"),
        ("COMBINE_HOME", "/etc/hosts", "this is not a directory"),
        ("REDIS_URL", "localhost:6379", "REDIS_URL: give a URL that starts with redis://"),
        ("ANTHROPIC_BASE_URL", "example.org", "ANTHROPIC_BASE_URL: give a URL"),
        ("COMBINE_EMAIL_URL", "mail.example.org", "COMBINE_EMAIL_URL: give smtp://user:password@host:port"),
        ("COMBINE_EMAIL_URL", "smtp://mail.example.org:many", "COMBINE_EMAIL_URL: give smtp://"),
        ("COMBINE_EMAIL_FROM", "nobody", "COMBINE_EMAIL_FROM='nobody': give a sender such as"),
        ("COMBINE_BASE_URL", "https://example.org/combine", "COMBINE_BASE_URL: give the address of the site"),
    ],
)
def test_a_wrong_value_is_named_with_its_fix(name: str, value: str, said: str) -> None:
    with pytest.raises(EnvironmentProblem) as problem:
        read_env({name: value})
    assert said in str(problem.value)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(EnvironmentProblem) as problem:
        read_env({"COMBINE_PORT": "x", "COMBINE_WORKERS": "y"})
    assert len(problem.value.problems) == 2


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(EnvironmentProblem) as problem:
        read_env({"DATABASE_URL": "mysql://me:hush@db/combine"})
    assert "hush" not in str(problem.value)
    with pytest.raises(EnvironmentProblem) as problem:
        database_settings(read_env({"DATABASE_URL": "postgresql://me:hush@db:port/combine?unknown=hush"}))
    assert "hush" not in str(problem.value)


def test_lists_rates_and_aliases_are_read() -> None:
    env = read_env(
        {
            "COMBINE_PACKAGES": "/a/one:/a/two words:",
            "COMBINE_MODELS": "sonnet=claude-x, mine = claude-y",
            "COMBINE_THROTTLE": "user=10/s,start=off",
            "COMBINE_PORT": "60000",
            "COMBINE_MAX_ACTIVE_RUNS_PER_PROJECT": "20",
        }
    )

    assert env.packages == (Path("/a/one"), Path("/a/two words"))
    assert env.models == {"sonnet": "claude-x", "mine": "claude-y"}
    assert (env.throttle["user"], env.throttle["start"]) == ("10/s", None)
    assert env.derived_offline_port == 61000
    assert (env.max_runs_per_project, env.max_runs_per_user) == (20, 0)
    assert set(read_env({"COMBINE_THROTTLE": "off"}).throttle.values()) == {None}


@pytest.mark.parametrize("missing", ["COMBINE_SECRET_KEY", "COMBINE_ALLOWED_HOSTS", "DATABASE_URL"])
def test_production_has_no_local_defaults(missing: str) -> None:
    with pytest.raises(EnvironmentProblem, match=f"{missing} is not set"):
        read_env({name: value for name, value in PRODUCTION.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value"),
    [("COMBINE_ALLOWED_HOSTS", "*"), ("COMBINE_DEBUG", "1"), ("COMBINE_SECRET_KEY", "short")],
)
def test_production_refuses_what_is_unsafe(name: str, value: str) -> None:
    with pytest.raises(EnvironmentProblem, match=name):
        read_env(PRODUCTION | {name: value})


def test_production_has_no_demo_unless_asked() -> None:
    assert not read_env(PRODUCTION).is_demo


def test_database_url_is_read_with_everything_in_it() -> None:
    place = database_settings(read_env(PRODUCTION))

    assert (place["HOST"], place["PORT"], place["NAME"]) == ("db.example.org", "5433", "combine")
    assert (place["USER"], place["PASSWORD"]) == ("combine", "s@crable")
    assert place["OPTIONS"]["sslmode"] == "require"
    assert "lock_timeout=5s" in place["OPTIONS"]["options"]


def test_a_command_tells_a_problem_without_a_traceback() -> None:
    result = manage("check", COMBINE_ENV="production")

    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    for name in ("COMBINE_SECRET_KEY", "COMBINE_ALLOWED_HOSTS", "DATABASE_URL"):
        assert name in result.stderr


def test_check_deploy_is_clean_in_production_and_not_at_home(tmp_path: Path) -> None:
    production = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert production.returncode == 0, production.stderr
    assert "no issues" in production.stdout

    without_key = manage("check", "--deploy", **{**PRODUCTION, "ANTHROPIC_API_KEY": ""})
    assert without_key.returncode == 1
    assert "combine.E004" in without_key.stderr

    without_limits = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION, COMBINE_THROTTLE="off")
    assert without_limits.returncode == 1
    assert "combine.W002" in without_limits.stderr

    local = manage("check", "--deploy", COMBINE_HOME=str(tmp_path))
    assert local.returncode == 1
    assert "combine.E001" in local.stderr


def test_the_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"

    key = local_secret_key(home)

    assert len(key) > 50
    assert local_secret_key(home) == key
    assert (home / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.iterdir()] == ["secret_key"]


def test_processes_that_start_at_once_agree_on_the_secret_key(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from combine import secret_key as s; print(s.local_secret_key(pathlib.Path(sys.argv[1])))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "home")], stdout=subprocess.PIPE, env=python_environment()
        )
        for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in processes}) == 1


def test_an_empty_secret_key_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()
    with pytest.raises(EnvironmentProblem, match="holds no usable key"):
        local_secret_key(tmp_path)


def test_mail_goes_where_the_url_says_and_is_printed_without_one() -> None:
    found = email_settings(read_env({"COMBINE_EMAIL_URL": "smtp+starttls://me:s%40fe@mail.example.org"}).email_server)
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == ("mail.example.org", 587, True)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("me", "s@fe")
    assert email_settings(read_env({}).email_server)["EMAIL_BACKEND"].endswith("console.EmailBackend")


def test_links_in_mail_lead_to_where_the_site_is() -> None:
    assert read_env({"COMBINE_PORT": "8123"}).site_url == "http://localhost:8123"
    assert read_env(PRODUCTION).site_url == "https://combine.example.org"
    assert read_env(PRODUCTION | {"COMBINE_BASE_URL": "https://c.example.org:8443/"}).site_url == (
        "https://c.example.org:8443"
    )
