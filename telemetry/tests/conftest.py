"""The callers of the API's other tests."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from executions.tests.api.conftest import Caller, anonymous, caller, olga, stranger, vic

__all__ = ["anonymous", "caller", "olga", "root", "stranger", "vic"]


@pytest.fixture
def root(caller: Caller) -> APIClient:
    """An administrator, who sees all projects."""
    return caller("root")
