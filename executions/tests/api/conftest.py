"""Callers with tokens, and executions in the states that endpoints are asked about."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from knox.models import AuthToken
from rest_framework.test import APIClient

from executions.tests.engine_cast import person

Caller = Callable[[str], APIClient]


@pytest.fixture
def caller(db: None) -> Caller:
    """Return a client that calls with a token of somebody of the cast."""
    clients: dict[str, APIClient] = {}

    def call(name: str) -> APIClient:
        if name not in clients:
            _, token = AuthToken.objects.create(person(name))
            clients[name] = APIClient(headers={"Authorization": f"Bearer {token}"})
        return clients[name]

    return call


@pytest.fixture
def olga(caller: Caller) -> APIClient:
    """She operates."""
    return caller("olga")


@pytest.fixture
def ed(caller: Caller) -> APIClient:
    """He edits, so he decides."""
    return caller("ed")


@pytest.fixture
def vic(caller: Caller) -> APIClient:
    """He may only look."""
    return caller("vic")


@pytest.fixture
def stranger(caller: Caller) -> APIClient:
    """An account without a role."""
    return caller("nobody")


@pytest.fixture
def anonymous(db: None) -> APIClient:
    return APIClient()
