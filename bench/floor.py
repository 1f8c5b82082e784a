"""The floor: the least that a durable loop can do. Two transactions a step, the same model client, nothing else.

Claim (transaction 1), call the model, record the result row and make the next step (transaction 2): psycopg,
8 connections, the server's usual durability. No documents, events, gates, ledger, fencing, retries or validation.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from executions.llm.client import ModelClient
from executions.llm.values import ModelRequest

SCHEMA = """
DROP TABLE IF EXISTS floor_result; DROP TABLE IF EXISTS floor_step;
CREATE TABLE floor_step (id bigserial PRIMARY KEY, chain int NOT NULL, n int NOT NULL,
                         status text NOT NULL DEFAULT 'todo');
CREATE INDEX ON floor_step (id) WHERE status = 'todo';
CREATE TABLE floor_result (step_id bigint PRIMARY KEY REFERENCES floor_step, content jsonb NOT NULL,
                           usage jsonb NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
"""

CLAIM = """
UPDATE floor_step SET status = 'doing' WHERE id = (
    SELECT id FROM floor_step WHERE status = 'todo' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, chain, n
"""

CONNECTIONS = 8


async def _loop(url: str, client: ModelClient, request: ModelRequest, length: int) -> int:
    done = 0
    async with await psycopg.AsyncConnection.connect(url) as connection:
        connection.prepare_threshold = 0
        while True:
            async with connection.transaction():
                row = await (await connection.execute(CLAIM)).fetchone()
            if row is None:
                return done
            step_id, chain, n = row
            response = await client.complete(request)
            content = json.loads(response.text)
            async with connection.transaction():
                await connection.execute("UPDATE floor_step SET status = 'done' WHERE id = %s", (step_id,))
                await connection.execute(
                    "INSERT INTO floor_result (step_id, content, usage) VALUES (%s, %s, %s)",
                    (step_id, Jsonb(content), Jsonb(response.usage)),
                )
                if n < length:
                    await connection.execute("INSERT INTO floor_step (chain, n) VALUES (%s, %s)", (chain, n + 1))
            done += 1


async def run_chains(url: str, model_url: str, request: ModelRequest, *, chains: int, length: int) -> float:
    """Run ``chains`` chains of ``length`` steps and return the seconds it took."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(SCHEMA)
        await connection.execute(
            "INSERT INTO floor_step (chain, n) SELECT c, 1 FROM generate_series(1, %s) c", (chains,)
        )
    async with ModelClient(base_url=model_url, api_key="bench") as client:
        await client.complete(request)  # the first call opens what later ones use
        begin = time.perf_counter()
        done = await asyncio.gather(*(_loop(url, client, request, length) for _ in range(CONNECTIONS)))
        seconds = time.perf_counter() - begin
    if sum(done) != chains * length:
        raise RuntimeError(f"the floor did {sum(done)} steps instead of {chains * length}")
    return seconds


async def run_calls(model_url: str, requests: list[ModelRequest], *, width: int) -> float:
    """Make ``width`` chains of calls side by side with the bare client, no database; return the seconds."""

    async def chain(client: ModelClient) -> None:
        for request in requests:
            await client.complete(request)

    async with ModelClient(base_url=model_url, api_key="bench") as client:
        await client.complete(requests[0])
        begin = time.perf_counter()
        await asyncio.gather(*(chain(client) for _ in range(width)))
        return time.perf_counter() - begin


async def start_latencies(url: str, model_url: str, request: ModelRequest, arrivals: Any, *, count: int) -> list[float]:
    """Insert a step into an idle system, ``count`` times; return milliseconds until the model server has its call."""
    inserted: list[float] = []
    async with (
        ModelClient(base_url=model_url, api_key="bench") as client,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as waiting,
        await psycopg.AsyncConnection.connect(url) as working,
        await psycopg.AsyncConnection.connect(url) as starting,
    ):
        await waiting.execute("LISTEN floor")
        await client.complete(request)
        arrivals.forget()

        async def work() -> None:
            async for _ in waiting.notifies(stop_after=count):
                async with working.transaction():
                    await (await working.execute(CLAIM)).fetchone()
                await client.complete(request)

        task = asyncio.create_task(work())
        for number in range(count):
            await asyncio.sleep(0.1)
            inserted.append(time.monotonic())
            async with starting.transaction():
                await starting.execute("INSERT INTO floor_step (chain, n) VALUES (%s, 1)", (number,))
                await starting.execute("NOTIFY floor")
        await task
    return [(arrived - begin) * 1000 for arrived, begin in zip(arrivals.times(), inserted, strict=True)]
