"""The SQL of ``executions.verification``. ``ids`` are the executions of one chunk; most queries find what is wrong."""

from __future__ import annotations

NEXT_EXECUTIONS = "SELECT id FROM executions_execution WHERE id > %(after)s ORDER BY id LIMIT %(limit)s"

EXECUTIONS = """
SELECT id, revision_id, status, last_seq FROM executions_execution WHERE id = ANY(%(ids)s) ORDER BY id
"""

STEPS = """
SELECT path, step_id, scope_id, sort_key, status, token IS NOT NULL, document_id
  FROM executions_step WHERE execution_id = %(id)s
"""

DOCUMENT_IDS = "SELECT id FROM documents_document WHERE execution_id = %(id)s"

# What the fold does not read may be large.
EVENTS = """
SELECT execution_id, seq, event_type, path, data - ARRAY['findings', 'questions', 'items', 'comment']
  FROM executions_event WHERE execution_id = ANY(%(ids)s) ORDER BY execution_id, seq
"""

DOCUMENTS = """
SELECT d.id, d.execution_id, e.revision_id, d.document_type, d.content, d.content_sha256
  FROM documents_document d JOIN executions_execution e ON e.id = d.execution_id
 WHERE d.execution_id = ANY(%(ids)s)
"""

PRODUCTIONS = """
WITH attempts AS (
    SELECT a.execution_id, s.path, count(*) AS number
      FROM executions_attempt a JOIN executions_step s ON s.id = a.step_id
     WHERE a.execution_id = ANY(%(ids)s) AND a.status = 'succeeded' AND a.outcome = 'document'
     GROUP BY a.execution_id, s.path
), documents AS (
    SELECT execution_id, created_by_step AS path, count(*) AS number
      FROM documents_document
     WHERE execution_id = ANY(%(ids)s) AND created_by_step <> '' AND NOT COALESCE(edits ? 'by', false)
     GROUP BY execution_id, created_by_step
)
SELECT execution_id, path, COALESCE(a.number, 0), COALESCE(d.number, 0)
  FROM attempts a FULL JOIN documents d USING (execution_id, path)
 WHERE COALESCE(a.number, 0) <> COALESCE(d.number, 0)
"""

TOKENS = """
SELECT s.execution_id, s.path, s.token, a.running
  FROM executions_step s
  LEFT JOIN (SELECT step_id, array_agg(id) AS running FROM executions_attempt
              WHERE execution_id = ANY(%(ids)s) AND status = 'running' GROUP BY step_id) a ON a.step_id = s.id
 WHERE s.execution_id = ANY(%(ids)s)
   AND COALESCE(a.running, '{}') <> CASE WHEN s.token IS NULL THEN '{}'::uuid[] ELSE ARRAY[s.token] END
"""

SERIES = """
WITH series AS (
    SELECT DISTINCT scope_type, scope_id, document_type FROM documents_document WHERE execution_id = ANY(%(ids)s)
)
SELECT (array_agg(d.execution_id) FILTER (WHERE d.execution_id = ANY(%(ids)s)))[1], document_type, scope_id,
       count(*), min(d.version), max(d.version), count(*) FILTER (WHERE d.is_latest),
       max(d.version) FILTER (WHERE d.is_latest)
  FROM series JOIN documents_document d USING (scope_type, scope_id, document_type)
 GROUP BY scope_type, scope_id, document_type
HAVING min(d.version) <> 1 OR max(d.version) <> count(*) OR count(DISTINCT d.version) <> count(*)
    OR count(*) FILTER (WHERE d.is_latest) <> 1
    OR max(d.version) FILTER (WHERE d.is_latest) IS DISTINCT FROM max(d.version)
"""

COSTS = """
SELECT * FROM (
    SELECT e.id, e.cost_usd, COALESCE(sum(c.cost_usd), 0) AS calls_cost,
           e.reserved_usd, COALESCE(sum(c.reserved_usd) FILTER (WHERE c.status = 'in_flight'), 0) AS calls_reserved
      FROM executions_execution e LEFT JOIN executions_llmcall c ON c.execution_id = e.id
     WHERE e.id = ANY(%(ids)s) GROUP BY e.id
) sums WHERE cost_usd <> calls_cost OR reserved_usd <> calls_reserved
"""

# What a closed account has missed since it was closed is none of its business.
ACCOUNTS = """
SELECT * FROM (
    SELECT a.id, a.starts_at, a.spent_usd + COALESCE(n.spent, 0) AS spent,
           a.reserved_usd + COALESCE(n.reserved, 0) AS reserved,
           COALESCE(c.spent, 0) AS calls_spent, COALESCE(c.reserved, 0) AS calls_reserved
      FROM executions_budgetaccount a JOIN executions_budget b ON b.id = a.budget_id
      LEFT JOIN LATERAL (
            SELECT SUM(spent_usd) AS spent, SUM(reserved_usd) AS reserved
              FROM executions_budgetentry WHERE account_id = a.id) n ON true
      LEFT JOIN LATERAL (
            SELECT SUM(l.cost_usd) AS spent, SUM(l.reserved_usd)
                   FILTER (WHERE l.status = 'in_flight' AND a.id = ANY(l.budget_accounts)) AS reserved
              FROM executions_llmcall l JOIN executions_execution e ON e.id = l.execution_id
             WHERE l.started_at >= a.starts_at AND l.started_at < a.ends_at
               AND (b.project_id IS NULL OR e.project_id = b.project_id)
               AND (b.workflow_id = '' OR e.workflow_id = b.workflow_id)) c ON true
     WHERE a.closed_at IS NULL
) sums WHERE spent <> calls_spent OR reserved <> calls_reserved
"""

LIVE_AFTER_END = """
SELECT e.id, e.status, 'an attempt that is running' FROM executions_execution e
 WHERE e.id = ANY(%(ids)s) AND e.status IN ('completed', 'failed', 'cancelled')
   AND EXISTS (SELECT 1 FROM executions_attempt a WHERE a.execution_id = e.id AND a.status = 'running')
UNION ALL
SELECT e.id, e.status, 'an open gate' FROM executions_execution e
 WHERE e.id = ANY(%(ids)s) AND e.status IN ('completed', 'cancelled')
   AND EXISTS (SELECT 1 FROM executions_gate g WHERE g.execution_id = e.id AND g.status = 'open')
UNION ALL
SELECT e.id, e.status, 'no time of its end' FROM executions_execution e
 WHERE e.id = ANY(%(ids)s) AND e.status IN ('completed', 'failed', 'cancelled') AND e.completed_at IS NULL
UNION ALL
SELECT e.id, e.status, 'a time of its end' FROM executions_execution e
 WHERE e.id = ANY(%(ids)s) AND e.status NOT IN ('completed', 'failed', 'cancelled') AND e.completed_at IS NOT NULL
"""

_GATE_TIMES = """
SELECT execution_id, id, status FROM executions_gate
 WHERE execution_id = ANY(%(ids)s) AND (status = 'open') <> (closed_at IS NULL)
"""

_DECISION_FACTS = """
SELECT g.execution_id, g.id, d.id FROM executions_decision d JOIN executions_gate g ON g.id = d.gate_id
 WHERE g.execution_id = ANY(%(ids)s)
   AND (d.by = '' OR d.decided_at IS NULL OR (d.user_id IS NULL AND d.channel <> 'policy')
        OR (d.decision = 'answer') <> (g.kind = 'clarification'))
"""

_DECISION_DOCUMENTS = """
SELECT g.execution_id, g.id, d.id FROM executions_decision d JOIN executions_gate g ON g.id = d.gate_id
  LEFT JOIN documents_document v ON v.id = g.document_id
 WHERE g.execution_id = ANY(%(ids)s) AND g.kind = 'acceptance'
   AND ((d.document_id, d.document_version, d.content_sha256)
            IS DISTINCT FROM (g.document_id, g.document_version, g.content_sha256)
        OR (g.document_version, g.content_sha256) IS DISTINCT FROM (v.version, v.content_sha256))
"""

# A refusal closes a gate at once; acceptances close it when there are as many as the quorum, and never more.
_GATE_VOTES = """
SELECT execution_id, id, status || ' with ' || accepts || ' acceptances of ' || quorum || ' and ' || refusals
       || ' refusals'
  FROM (SELECT g.execution_id, g.id, g.status, g.quorum, count(*) FILTER (WHERE d.decision = 'accept') AS accepts,
               count(*) FILTER (WHERE d.decision IN ('reject', 'request_changes')) AS refusals,
               bool_or(d.channel = 'policy') AS is_by_policy
          FROM executions_gate g LEFT JOIN executions_decision d ON d.gate_id = g.id
         WHERE g.execution_id = ANY(%(ids)s) AND g.kind = 'acceptance' GROUP BY g.id) votes
 WHERE NOT COALESCE(is_by_policy, false)
   AND CASE WHEN status = 'decided'
            THEN NOT ((refusals = 1 AND accepts < quorum) OR (refusals = 0 AND accepts = quorum))
            ELSE refusals > 0 OR accepts >= quorum END
"""

_GATE_ANSWERS = """
SELECT g.execution_id, g.id, g.status || ' with ' || count(d.id) || ' answers'
  FROM executions_gate g LEFT JOIN executions_decision d ON d.gate_id = g.id
 WHERE g.execution_id = ANY(%(ids)s) AND g.kind = 'clarification'
 GROUP BY g.id HAVING count(d.id) <> CASE WHEN g.status = 'decided' THEN 1 ELSE 0 END
"""

_GATE_EVENTS = """
SELECT g.execution_id, g.id, 'opened ' || COALESCE(v.opened, 0) || ' times and decided ' || COALESCE(v.decided, 0)
       || ' times, with ' || COALESCE(d.number, 0) || ' decisions'
  FROM executions_gate g
  LEFT JOIN (SELECT execution_id, data->>'gate_id' AS gate_id,
                    count(*) FILTER (WHERE event_type IN ('acceptance_needed', 'clarification_needed')) AS opened,
                    count(*) FILTER (WHERE event_type IN ('acceptance_decided', 'clarification_answered')) AS decided
               FROM executions_event WHERE execution_id = ANY(%(ids)s) AND data ? 'gate_id'
              GROUP BY execution_id, data->>'gate_id') v
    ON v.execution_id = g.execution_id AND v.gate_id = g.id::text
  LEFT JOIN LATERAL (SELECT count(*) AS number FROM executions_decision WHERE gate_id = g.id) d ON true
 WHERE g.execution_id = ANY(%(ids)s)
   AND (COALESCE(v.opened, 0) <> 1 OR COALESCE(v.decided, 0) <> COALESCE(d.number, 0))
"""

GATE_CHECKS = (
    (_GATE_TIMES, "is {fact}, which its closing time contradicts"),
    (_DECISION_FACTS, "has a decision ({fact}) without an actor or a time, or of the wrong kind"),
    (_DECISION_DOCUMENTS, "has a decision ({fact}) on another version than it shows, or with another hash"),
    (_GATE_VOTES, "is {fact}"),
    (_GATE_ANSWERS, "is {fact}"),
    (_GATE_EVENTS, "was {fact}"),
)
