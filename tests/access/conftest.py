from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django import Settings

SetRates = Callable[..., None]


@pytest.fixture
def set_rates(settings: Settings, db: None) -> SetRates:
    """Set rates by name; the others are off, as in all tests."""

    def set_them(**rates: str) -> None:
        settings.COMBINE_THROTTLE = {**settings.COMBINE_THROTTLE, **rates}

    return set_them
