from __future__ import annotations

from collections.abc import Iterator

import pytest

from executions.tests import invariants


@pytest.fixture
def promises_kept(db: None) -> Iterator[None]:
    """Whatever a test has the engine do, its promises hold in the end."""
    yield
    invariants.check()
