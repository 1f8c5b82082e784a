"""The SQL of the hot path. Every statement is static text, so that PostgreSQL keeps its plan.

Rows go to the server as JSON arrays of objects, one parameter a table: a transition is one statement, however
much it changes. (Measured: one prepared statement a row cost more than twice as much on either side.)
"""

from __future__ import annotations

# Whoever claims holds this lock with others; to make a budget is to hold it alone, for a moment, so that no call is
# claimed by somebody who did not see the budget.
BUDGETS_LOCK = 7209004

LOCK_EXECUTIONS = f"""
SELECT id, project_id, revision_id, workflow_id, status, budget_usd, cost_usd, reserved_usd, budget_warned, model_ids,
       started_by_id, last_seq, error_code, error_detail, completed_at, updated_at
  FROM executions_execution, pg_advisory_xact_lock_shared({BUDGETS_LOCK}) AS budgets
 WHERE id = ANY(%s) ORDER BY id FOR UPDATE OF executions_execution
"""  # noqa: S608 - static text

_STEP = (
    "path, step_id, is_iteration, scope_type, scope_id, sort_key, status, attempt, tries, failures, provider_failures,"
    " crashes, question_rounds, rework_rounds, token, due_at, carry, document_id, total_items, started_at,"
    " completed_at, error_code, error_detail"
)

_HAS_BUDGETS = "EXISTS (SELECT 1 FROM executions_budget WHERE is_active)"

# A statement of its own, after the locks: it sees what was committed before they were given.
UNFINISHED_STEPS = f"""
SELECT clock_timestamp(), {_HAS_BUDGETS}, execution_id, id, {_STEP} FROM executions_step
 WHERE execution_id = ANY(%s) AND status <> 'completed'
UNION ALL SELECT clock_timestamp(), {_HAS_BUDGETS}, {", ".join(["NULL"] * 25)}
"""  # noqa: S608 - static text

# The ids come back in the order of the paths, which are unique in an execution.
INSERT_STEPS = f"""
INSERT INTO executions_step (execution_id, {_STEP})
SELECT %s, {_STEP} FROM json_to_recordset(%s) AS n (path text, step_id text, is_iteration bool, scope_type text,
       scope_id text, sort_key text, status text, attempt int, tries int, failures int, provider_failures int,
       crashes int, question_rounds int, rework_rounds int, token uuid, due_at timestamptz, carry jsonb,
       document_id uuid, total_items int, started_at timestamptz, completed_at timestamptz, error_code text,
       error_detail text)
RETURNING id, path
"""  # noqa: S608 - static text

# New attempts are made after old ones are finished (hence the count): a step has one running attempt at most.
WRITE = """
WITH finished AS (
    UPDATE executions_attempt a
       SET status = n.status, outcome = n.outcome, detail = n.detail, findings = n.findings, finished_at = n.at
      FROM json_to_recordset(%(finished)s) AS n (id uuid, status text, outcome text, detail text, findings jsonb,
           at timestamptz)
     WHERE a.id = n.id AND a.status = 'running'
    RETURNING a.id
), steps AS (
    UPDATE executions_step s
       SET status = n.status, attempt = n.attempt, tries = n.tries, failures = n.failures,
           provider_failures = n.provider_failures, crashes = n.crashes, question_rounds = n.question_rounds,
           rework_rounds = n.rework_rounds, token = n.token, due_at = n.due_at, carry = n.carry,
           document_id = n.document_id, total_items = n.total_items, started_at = n.started_at,
           completed_at = n.completed_at, error_code = n.error_code, error_detail = n.error_detail
      FROM json_to_recordset(%(steps)s) AS n (id bigint, status text, attempt int, tries int, failures int,
           provider_failures int, crashes int, question_rounds int, rework_rounds int, token uuid,
           due_at timestamptz, carry jsonb, document_id uuid, total_items int, started_at timestamptz,
           completed_at timestamptz, error_code text, error_detail text)
     WHERE s.id = n.id
), attempts AS (
    INSERT INTO executions_attempt (id, execution_id, step_id, n, content_attempt, status, worker_id, started_at,
                                    outcome, detail, findings)
    SELECT id, execution_id, step_id, n, content_attempt, 'running', worker_id, at, '', '', '[]'
      FROM json_to_recordset(%(attempts)s) AS a (id uuid, execution_id uuid, step_id bigint, n int,
           content_attempt int, worker_id bigint, at timestamptz)
     WHERE (SELECT count(*) FROM finished) >= 0
), calls AS (
    INSERT INTO executions_llmcall (id, execution_id, step_id, attempt_id, status, model, request_sha256,
        request_chars, max_tokens, reserved_usd, budget_accounts, started_at, input_tokens, output_tokens,
        cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, thinking_tokens, usage, is_estimated,
        unit_prices, price_version, stop_reason, message_id, request_id, error_class, response_text, is_offline)
    SELECT id, execution_id, step_id, attempt_id, 'in_flight', model, request_sha256, request_chars, max_tokens,
           reserved_usd, budget_accounts, at, 0, 0, 0, 0, 0, 0, '{}', false, '{}', '', '', '', '', '', '', false
      FROM json_to_recordset(%(calls)s) AS c (id uuid, execution_id uuid, step_id bigint, attempt_id uuid, model text,
           request_sha256 text, request_chars int, max_tokens int, reserved_usd numeric, budget_accounts bigint[],
           at timestamptz)
), events AS (
    INSERT INTO executions_event (execution_id, seq, event_type, step_id, path, timestamp, data)
    SELECT execution_id, seq, event_type, step_id, path, at, data
      FROM json_to_recordset(%(events)s) AS e (execution_id uuid, seq int, event_type text, step_id text, path text,
           at timestamptz, data jsonb)
)
UPDATE executions_execution x
   SET status = n.status, last_seq = n.last_seq, reserved_usd = x.reserved_usd + n.reserved,
       budget_warned = n.warned, error_code = n.error_code, error_detail = n.error_detail,
       completed_at = n.completed_at, updated_at = n.at
  FROM json_to_recordset(%(executions)s) AS n (id uuid, status text, last_seq int, reserved numeric, warned int,
       error_code text, error_detail text, completed_at timestamptz, at timestamptz)
 WHERE x.id = n.id
"""
