"""The callers of the API's other tests."""

from __future__ import annotations

from executions.tests.api.conftest import anonymous, caller, olga, stranger

__all__ = ["anonymous", "caller", "olga", "stranger"]
