"""A scripted model on a real socket for every test that calls one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from executions.llm.client import CallLimits, ModelClient, preload
from executions.llm.offline.scripted import ScriptedModel

API_KEY = "sk-test-canary-7f3a"


@pytest.fixture(scope="session", autouse=True)
def _sdk_is_loaded() -> None:
    """As a worker does, so that the import's second is in no test's time limit."""
    preload()


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as running:
        yield running


@pytest.fixture
async def client(model: ScriptedModel) -> AsyncIterator[ModelClient]:
    limits = CallLimits(stall_seconds=2.0, connect_seconds=5.0, max_text_bytes=50_000)
    async with ModelClient(base_url=model.base_url, api_key=API_KEY, limits=limits) as opened:
        yield opened
