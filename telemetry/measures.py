"""What is added up of calls: each figure's name, and what one ledger row adds to it. Here and nowhere else.

In every statement ``c`` is ``executions_llmcall``, ``e`` its execution, ``s`` its step. Where the details are asked for
too (:data:`DETAILS`), ``a`` is its attempt, ``p`` the attempt of the step before that, ``price`` what a million tokens
of each kind cost it, ``r`` why it was made.
"""

from __future__ import annotations

from executions.engine.state import ErrorCode
from executions.models import DecisionKind, EventType, GateKind, GateStatus

# Kept in the sums (see telemetry.models). All are added but ``first_at``, of which the earliest counts.
KEPT: dict[str, str] = {
    "succeeded_count": "(c.status = 'succeeded')::int",
    "failed_count": "(c.status = 'failed')::int",
    "cancelled_count": "(c.status = 'cancelled')::int",
    "lost_count": "(c.status = 'lost')::int",
    "unpriced_count": "(c.cost_usd IS NULL AND c.status <> 'in_flight')::int",
    "estimated_count": "c.is_estimated::int",
    "offline_count": "c.is_offline::int",
    "cost_usd": "COALESCE(c.cost_usd, 0)",
    "estimated_cost_usd": "CASE WHEN c.is_estimated THEN COALESCE(c.cost_usd, 0) ELSE 0 END",
    "input_tokens": "c.input_tokens",
    "output_tokens": "c.output_tokens",
    "cache_read_tokens": "c.cache_read_tokens",
    "cache_write_5m_tokens": "c.cache_write_5m_tokens",
    "cache_write_1h_tokens": "c.cache_write_1h_tokens",
    "thinking_tokens": "c.thinking_tokens",
    "latency_ms": "CASE WHEN c.status = 'succeeded' THEN COALESCE(c.latency_ms, 0) ELSE 0 END",
    "timed_count": "(c.status = 'succeeded' AND c.latency_ms IS NOT NULL)::int",
    "first_at": "c.started_at",
}
# Of calls that are not over, and so are never in the sums.
PASSING: dict[str, str] = {"in_flight_count": "(c.status = 'in_flight')::int"}

KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
# Why a call was made, but for the first tries: those are all the others.
REPEATS = ("answer", "correction", "rework", "provider", "worker", "retry")

_SAVED = """
COALESCE(round((c.cache_read_tokens * (price.input - price.cache_read)
              - c.cache_write_5m_tokens * (price.cache_write_5m - price.input)
              - c.cache_write_1h_tokens * (price.cache_write_1h - price.input)) / 1000000, 10), 0)
"""
# Kept beside them for the cost pages: money by kind of token, by how a call ended, and by why it was made.
DETAILS: dict[str, str] = {
    **{f"{kind}_cost_usd": f"COALESCE(round(c.{kind}_tokens * price.{kind} / 1000000, 10), 0)" for kind in KINDS},
    "cache_saved_usd": _SAVED,
    **{
        f"{status}_cost_usd": f"CASE WHEN c.status = '{status}' THEN COALESCE(c.cost_usd, 0) ELSE 0 END"
        for status in ("failed", "cancelled", "lost")
    },
    **{f"{cause}_count": f"(r.cause = '{cause}')::int" for cause in REPEATS},
    **{
        f"{cause}_cost_usd": f"CASE WHEN r.cause = '{cause}' THEN COALESCE(c.cost_usd, 0) ELSE 0 END"
        for cause in REPEATS
    },
}
ALL_KEPT = KEPT | DETAILS
ADDED = tuple(name for name in ALL_KEPT if name != "first_at")

DAY = "date_bin('1 day', c.started_at, '1970-01-01 00:00+00')"
SLOT = "date_bin('15 min', c.started_at, '1970-01-01 00:00+00')"
MONTH = "date_trunc('month', c.started_at, 'UTC')"
THIRD = f"""
{MONTH} + least((extract(day FROM c.started_at AT TIME ZONE 'UTC')::int - 1) / 10, 2) * interval '240 hours'
"""
# A statement reads from the one or the other, joined with as much of the rest as it needs.
CALLS = "executions_llmcall c"
OPEN_CALLS = "telemetry_opencall o JOIN executions_llmcall c ON c.id = o.call_id"
EXECUTIONS = "JOIN executions_execution e ON e.id = c.execution_id"
STEPS = f"{EXECUTIONS} JOIN executions_step s ON s.id = c.step_id"


def _price(kind: str) -> str:
    """Return what a million tokens of a kind cost a call: one price, or one that depends on the prompt's length."""
    stored = f"c.unit_prices -> '{kind}'"
    return f"""CASE jsonb_typeof({stored})
        WHEN 'string' THEN (c.unit_prices ->> '{kind}')::numeric
        WHEN 'object' THEN COALESCE(
            (SELECT (tier ->> 'price')::numeric FROM jsonb_array_elements({stored} -> 'tiers') tier
              WHERE (tier ->> 'start')::bigint < c.input_tokens::bigint + c.cache_read_tokens + c.cache_write_5m_tokens
                                               + c.cache_write_1h_tokens
              ORDER BY (tier ->> 'start')::bigint DESC LIMIT 1),
            ({stored} ->> 'base')::numeric)
    END"""  # noqa: S608 - of this module's texts


# A kind that has no price of its own is charged as the one that it is a case of. (OFFSET 0: reckoned once a row.)
_PRICES = f"""
(SELECT {_price("input")} AS input, {_price("output")} AS output,
        COALESCE({_price("cache_read")}, {_price("input")}) AS cache_read,
        COALESCE({_price("cache_write_5m")}, {_price("input")}) AS cache_write_5m,
        COALESCE({_price("cache_write_1h")}, {_price("cache_write_5m")}, {_price("input")}) AS cache_write_1h OFFSET 0)
"""
# Nothing of this changes once the attempt has begun. The events are read by a small index of theirs.
_CAUSE = f"""
(SELECT CASE WHEN a.n = 1 OR p.id IS NULL OR p.outcome = '' THEN 'first'
             WHEN p.outcome = 'asked' THEN 'answer'
             WHEN p.outcome = 'document' THEN 'rework'
             WHEN EXISTS (SELECT 1 FROM executions_event v
                           WHERE v.execution_id = c.execution_id AND v.event_type = '{EventType.STEP_FAILED}'
                             AND v.path = s.path AND v.timestamp BETWEEN p.finished_at AND a.started_at) THEN 'retry'
             WHEN p.outcome IN ('{ErrorCode.OUTPUT_INVALID}', '{ErrorCode.OUTPUT_TRUNCATED}') THEN 'correction'
             WHEN p.outcome IN ('worker_lost', 'released') THEN 'worker'
             ELSE 'provider' END AS cause OFFSET 0)
"""  # noqa: S608 - static text
CAUSES = f"""
{STEPS} JOIN executions_attempt a ON a.id = c.attempt_id
LEFT JOIN executions_attempt p ON p.step_id = c.step_id AND p.n = a.n - 1
CROSS JOIN LATERAL {_CAUSE} r
"""
DETAILED = f"{CAUSES} CROSS JOIN LATERAL {_PRICES} price"

# From when on an attempt could have begun, where that is stored: the start of the run, for the first step of it, what
# people decided, or the end of the attempt before. How long the provider was left alone is no waiting for a worker.
_READY = f"""
(SELECT CASE WHEN r.cause = 'first' AND a.n = 1 THEN
                  (SELECT e.started_at FROM executions_event v
                    WHERE v.execution_id = c.execution_id AND v.seq = 2 AND v.path = s.path
                      AND v.event_type = '{EventType.STEP_STARTED}')
             WHEN r.cause IN ('answer', 'rework') THEN
                  (SELECT max(g.closed_at) FROM executions_gate g
                    WHERE g.step_id = c.step_id AND g.status = '{GateStatus.DECIDED}'
                      AND g.closed_at BETWEEN p.finished_at AND a.started_at)
             WHEN r.cause IN ('correction', 'worker') THEN p.finished_at END AS at OFFSET 0)
"""  # noqa: S608 - static text
_QUEUED = f"""
CASE WHEN NOT EXISTS (SELECT 1 FROM executions_event v
                       WHERE v.execution_id = c.execution_id AND v.event_type = '{EventType.EXECUTION_RETRIED}'
                         AND v.timestamp BETWEEN ready.at AND a.started_at)
     THEN extract(epoch FROM a.started_at - ready.at) * 1000 END
"""  # noqa: S608 - static text
# What is measured, of calls and (the last two) of gates. A bucket of it is called by one number: its own and this.
MEASURE_CODES = 1_000
_MEASURED = ("latency", "first_token", "queue", "people", "document_cost")
MEASURES = {name: number * MEASURE_CODES for number, name in enumerate(_MEASURED)}
# What is measured of a call, in milliseconds; of a gate it is how long it was open.
TIMED = f"""
{CAUSES} CROSS JOIN LATERAL {_READY} ready JOIN LATERAL (VALUES
    ({MEASURES["latency"]}, CASE WHEN c.status = 'succeeded' THEN c.latency_ms END),
    ({MEASURES["first_token"]}, c.time_to_first_token_ms),
    ({MEASURES["queue"]}, {_QUEUED})) measured (measure, size) ON measured.size IS NOT NULL
"""

# Gates that people decided: ``g``. They are of the moment at which they were closed, and never change after it.
IS_DECIDED = f"g.status = '{GateStatus.DECIDED}'"
_GATES = """
executions_gate g JOIN executions_execution e ON e.id = g.execution_id JOIN executions_step s ON s.id = g.step_id
"""
_IS_RETURNED = f"""
EXISTS (SELECT 1 FROM executions_decision d
         WHERE d.gate_id = g.id AND d.decision IN ('{DecisionKind.REJECT}', '{DecisionKind.REQUEST_CHANGES}'))
"""  # noqa: S608 - static text
_HAD_ANOTHER = f"""
EXISTS (SELECT 1 FROM executions_gate o
         WHERE o.step_id = g.step_id AND o.document_version < g.document_version AND {IS_DECIDED.replace("g.", "o.")})
"""  # noqa: S608 - static text
# With what was said there: whether the document was returned, and whether an earlier version of it had been.
GATES_AND_VERDICTS = f"""
{_GATES} CROSS JOIN LATERAL (SELECT {_IS_RETURNED} AS is_returned, {_HAD_ANOTHER} AS had_another OFFSET 0) verdict
"""
_IS_ACCEPTED = f"g.kind = '{GateKind.ACCEPTANCE}' AND NOT verdict.is_returned"
# What is measured of a gate: for how long it was open, in milliseconds, and what the accepted document had cost, in
# millionths of a dollar.
MEASURED_GATES = f"""
{GATES_AND_VERDICTS} JOIN LATERAL (VALUES
    ({MEASURES["people"]}, extract(epoch FROM g.closed_at - g.opened_at) * 1000),
    ({MEASURES["document_cost"]}, CASE WHEN {_IS_ACCEPTED} THEN g.cost_usd * 1000000 END)
    ) measured (measure, size) ON measured.size IS NOT NULL
"""
OF_GATE: dict[str, str] = {
    "accepted_count": f"({_IS_ACCEPTED})::int",
    "first_pass_count": f"({_IS_ACCEPTED} AND NOT verdict.had_another)::int",
    "returned_count": f"(g.kind = '{GateKind.ACCEPTANCE}' AND verdict.is_returned)::int",
}


def _bounds() -> tuple[int, ...]:
    found = [0, 1]
    while found[-1] < _LONGEST_MS:
        found.append(max(found[-1] + 1, found[-1] * 6 // 5))
    return tuple(found)


# What is measured is counted in buckets, each a fifth wider than the one before: from a bound on, up to the next one.
_LONGEST_MS = 366 * 86_400_000
BUCKETS = _bounds()


_BUCKET = f"width_bucket(greatest(measured.size, 0)::bigint, ARRAY[{','.join(map(str, BUCKETS))}]::bigint[]) - 1"
# What was measured, and the bucket that it is in.
CODE = f"measured.measure + {_BUCKET} AS code"


def spans_of(at: str) -> str:
    """Return the day, the third of a month and the month (UTC) that a time is in, as columns of a SELECT."""
    named = {"day": DAY, "third": THIRD, "month": MONTH}
    return of_call({name: text.replace("c.started_at", at) for name, text in named.items()})


def of_call(names: dict[str, str]) -> str:
    """Return what one ledger row adds, as columns of a SELECT."""
    return ", ".join(f"{expression} AS {name}" for name, expression in names.items())


def together(names: dict[str, str]) -> str:
    """Return the sums of such columns."""
    return ", ".join(f"{'min' if name == 'first_at' else 'sum'}({name}) AS {name}" for name in names)
