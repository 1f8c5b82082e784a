"""Which PostgreSQL Django talks to: the one of DATABASE_URL, or the embedded server of COMBINE_HOME."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from combine.env import Env, EnvironmentProblem
from combine.postgres_home import DATABASE, PORT, SUPERUSER, find_postgres_home

# Nothing of ours waits long for a lock or runs a long statement; what does is a fault, and must not hold others up.
# (Migrations lift the statement limit, see apps.py.)
SESSION_LIMITS = "-c lock_timeout=5s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"

_DJANGO_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def database_settings(env: Env) -> dict[str, Any]:
    """Django's settings of the one database."""
    place = _parse_database_url(env.database_url) if env.database_url else _embedded(env)
    options = place.pop("OPTIONS", {})
    options["options"] = f"{SESSION_LIMITS} {options.get('options', '')}".strip()
    options.setdefault("application_name", "combine")
    return {
        "ENGINE": "django.db.backends.postgresql",
        **place,
        # Django turns prepared statements off; the engine's and the queue's live from them.
        "OPTIONS": {"connect_timeout": 5, "server_side_binding": False, "prepare_threshold": 5, **options},
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "ATOMIC_REQUESTS": False,
    }


def _embedded(env: Env) -> dict[str, Any]:
    place = find_postgres_home(env.home)
    return {"HOST": str(place.socket_dir), "PORT": str(PORT), "NAME": DATABASE, "USER": SUPERUSER, "PASSWORD": ""}


def _parse_database_url(url: str) -> dict[str, Any]:
    """libpq's own parser reads the URL, so whatever psql accepts works: sockets, several hosts, sslmode and so on."""
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.ProgrammingError as error:
        # The message quotes pieces of the URL, possibly the password: only what kind of thing is wrong is passed on.
        raise EnvironmentProblem(
            ["DATABASE_URL cannot be read: give postgresql://user:password@host:5432/name, %-encoding odd characters"]
        ) from error
    if not parts.get("dbname"):
        raise EnvironmentProblem(["DATABASE_URL names no database: give postgresql://user:password@host:5432/name"])
    place: dict[str, Any] = {ours: parts.pop(theirs, "") for theirs, ours in _DJANGO_NAMES.items()}
    return {**place, "OPTIONS": dict(parts)}
