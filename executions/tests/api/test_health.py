"""/livez and /readyz."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from combine.api import health
from executions.tests.pretend_worker import PretendWorker


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
    dead = PretendWorker()
    dead.die()
    workers = client.get("/readyz").json()["checks"]["workers"]
    assert workers["alive"] == 1
    assert workers["heartbeat_age_seconds"] < 10


def test_readyz_is_503_while_the_database_is_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise OperationalError("no route to /secret/socket")

    monkeypatch.setattr(health, "_is_migrated", fail)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer["Retry-After"] == "2"
    assert answer.json() == {
        "status": "unavailable",
        "checks": {"database": "unavailable", "migrations": "unknown", "workers": None},
    }


def test_readyz_is_503_while_a_migration_is_missing(client: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_is_migrated", lambda: False)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["migrations"] == "pending"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_only_read(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
