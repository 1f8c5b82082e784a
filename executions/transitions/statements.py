"""The SQL of the hot path. Every statement is static text, so that PostgreSQL keeps its plan."""

from __future__ import annotations

LOCK_EXECUTION = """
SELECT id, project_id, revision_id, workflow_id, status, budget_usd, cost_usd, reserved_usd, model_ids, started_by_id,
       last_seq, error_code, error_detail, completed_at
  FROM executions_execution WHERE id = %s FOR UPDATE
"""

STEP_COLUMNS = (
    "path, step_id, is_iteration, scope_type, scope_id, sort_key, status, attempt, failures, provider_failures,"
    " crashes, question_rounds, rework_rounds, token, due_at, carry, document_id, total_items, started_at,"
    " completed_at, error_code, error_detail"
)

UNFINISHED_STEPS = f"""
SELECT id, {STEP_COLUMNS} FROM executions_step WHERE execution_id = %s AND status <> 'completed'
"""  # noqa: S608 - static text

CLOCK = "SELECT clock_timestamp()"

INSERT_STEP = f"""
INSERT INTO executions_step (execution_id, {STEP_COLUMNS})
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
RETURNING id
"""  # noqa: S608 - static text

UPDATE_STEP = """
UPDATE executions_step
   SET status = %s, attempt = %s, failures = %s, provider_failures = %s, crashes = %s, question_rounds = %s,
       rework_rounds = %s, token = %s, due_at = %s, carry = %s, document_id = %s, total_items = %s, started_at = %s,
       completed_at = %s, error_code = %s, error_detail = %s
 WHERE id = %s
"""

INSERT_ATTEMPT = """
INSERT INTO executions_attempt (id, execution_id, step_id, n, content_attempt, status, worker_id, started_at, outcome,
                                detail, findings)
SELECT %s, %s, %s, COALESCE(MAX(n), 0) + 1, %s, 'running', %s, %s, '', '', '[]'::jsonb
  FROM executions_attempt WHERE step_id = %s
"""

FINISH_ATTEMPT = """
UPDATE executions_attempt SET status = %s, outcome = %s, detail = %s, findings = %s, finished_at = %s
 WHERE id = %s AND status = 'running'
"""

INSERT_CALL = """
INSERT INTO executions_llmcall (id, execution_id, step_id, attempt_id, status, model, request_sha256, request_chars,
    max_tokens, reserved_usd, started_at, input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens,
    cache_write_1h_tokens, thinking_tokens, usage, is_estimated, unit_prices, price_version, stop_reason, message_id,
    request_id, error_class, response_text, is_offline)
VALUES (%s, %s, %s, %s, 'in_flight', %s, %s, %s, %s, %s, %s, 0, 0, 0, 0, 0, 0, '{}'::jsonb, false, '{}'::jsonb, '', '',
    '', '', '', '', false)
"""

INSERT_EVENT = """
INSERT INTO executions_event (execution_id, seq, event_type, step_id, path, timestamp, data)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""

UPDATE_EXECUTION = """
UPDATE executions_execution
   SET status = %s, last_seq = %s, reserved_usd = reserved_usd + %s, error_code = %s, error_detail = %s,
       completed_at = %s, updated_at = %s
 WHERE id = %s
"""
