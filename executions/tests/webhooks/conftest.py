"""Callers of the API, as its own tests have them."""

from executions.tests.api.conftest import anonymous, caller, ed, olga, stranger, vic

__all__ = ["anonymous", "caller", "ed", "olga", "stranger", "vic"]
