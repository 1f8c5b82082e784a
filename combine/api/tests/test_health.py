"""/livez and /readyz."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from combine.api import health
from executions.tests.pretend_worker import PretendWorker


@pytest.fixture(autouse=True)
def _a_fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has not seen yet that all migrations are there."""
    monkeypatch.setattr(health, "_seen_migrated", [])


def test_livez_answers_without_the_database(client: Client) -> None:
    answer = client.get("/livez")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok"}


def test_readyz_shows_the_database_its_migrations_and_the_workers(client: Client, db: None) -> None:
    assert client.get("/readyz").json() == {
        "status": "ready",
        "checks": {
            "database": "ok",
            "migrations": "ok",
            "workers": {"alive": 0, "heartbeat_age_seconds": None},
        },
    }
    PretendWorker()
    PretendWorker().die()
    workers = client.get("/readyz").json()["checks"]["workers"]
    assert workers["alive"] == 1
    assert workers["heartbeat_age_seconds"] < 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("asked_before", [False, True])
def test_readyz_is_503_while_the_connection_is_cut_and_recovers(client: Client, asked_before: bool) -> None:
    if asked_before:
        assert client.get("/readyz").status_code == 200
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "2"
    assert answer.json() == {
        "status": "unavailable",
        "checks": {"database": "unavailable", "migrations": "unknown", "workers": None},
    }
    connection.close()  # as Django does between requests
    assert client.get("/readyz").status_code == 200


def test_readyz_is_503_while_a_migration_is_missing(client: Client, db: None) -> None:
    (newest,) = MigrationLoader(connection).graph.leaf_nodes("executions")
    MigrationRecorder(connection).record_unapplied(*newest)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == "pending"
    MigrationRecorder(connection).record_applied(*newest)
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_only_read(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
