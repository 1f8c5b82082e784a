"""A large stock of finished and waiting work, made by the server itself in a minute: what ``bench.lists`` reads.

What matters to a list is lifelike, or worse: a large project and a thousand small ones, a workflow that half of the
executions are of and one that hardly any is of, rare statuses, projects whose executions are all old, nothing cancelled
for most of a year.
"""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.db import connection
from django.utils import timezone

from bench.world import PACKAGE
from workflows.services import load_package

# Who reads: root everything; olga operates, and sees the open projects; mona is a member of few, and sees only these.
LARGE, SMALL, OLD, HIDDEN = "project-large", "project-00700", "project-00003", "project-00950"
OPEN_COUNT = 900
MEMBER_OF = (OLD, "project-00004", "project-00005", "project-00006", SMALL)
COMMON_WORKFLOW, RARE_WORKFLOW = "workflow-00", "workflow-rare"
LONG_EVENTS, LONG_STEPS = 10_000, 2_000

_PEOPLE = {"root": (), "olga": ("operator", "editor"), "mona": ("viewer", "editor"), "mark": ("viewer",)}

_STATEMENTS = (
    """
    INSERT INTO executions_project (id, name, created_at)
    SELECT 'project-' || CASE n WHEN 0 THEN 'large' ELSE lpad(n::text, 5, '0') END, 'Project ' || n,
           now() - make_interval(days => 400) + make_interval(secs => n)
      FROM generate_series(0, 1000) n
    """,
    # Every fifth execution is of the large project. The first projects have been still for most of the year.
    """
    CREATE TABLE bench_execution AS
    SELECT n, gen_random_uuid() AS id,
           CASE WHEN n %% 5 = 0 THEN 'project-large'
                WHEN n <= %(count)s / 20 THEN 'project-' || lpad((1 + n %% 10)::text, 5, '0')
                ELSE 'project-' || lpad((11 + (n * 7919) %% 990)::text, 5, '0') END AS project_id,
           CASE WHEN n %% 1000 = 1 THEN 'workflow-rare'
                WHEN n %% 2 = 0 THEN 'workflow-00'
                ELSE 'workflow-' || lpad((n / 2 %% 20)::text, 2, '0') END AS workflow_id,
           CASE WHEN n > %(count)s - 20 THEN 'pending'
                WHEN n > %(count)s - 300 THEN 'running'
                WHEN n %% 100 < 8 THEN 'waiting_acceptance'
                WHEN n %% 100 < 10 THEN 'waiting_clarification'
                WHEN n %% 100 < 16 THEN 'failed'
                WHEN n %% 100 < 19 AND n < %(count)s / 4 THEN 'cancelled'
                ELSE 'completed' END AS status,
           now() - make_interval(secs => (%(count)s - n) * 300.0) AS started_at
      FROM generate_series(1, %(count)s) n
    """,
    """
    INSERT INTO executions_execution (id, project_id, revision_id, workflow_id, status, brief, cost_usd, reserved_usd,
           model_ids, started_by_id, started_at, completed_at, updated_at, last_seq, error_code, error_detail)
    SELECT e.id, e.project_id, %(revision)s, e.workflow_id, e.status,
           jsonb_build_object('subject', 'A note of the benchmark', 'text', repeat(md5(n::text), 12)),
           (n %% 1000) / 100.0, 0, '{}', %(root)s, e.started_at,
           CASE WHEN e.status IN ('completed', 'failed', 'cancelled')
                THEN e.started_at + make_interval(mins => n %% 90) END,
           e.started_at + make_interval(mins => 90), 6,
           CASE e.status WHEN 'failed' THEN 'OUTPUT_INVALID' ELSE '' END,
           CASE e.status WHEN 'failed' THEN 'After 3 attempts the answer is still not a note.' ELSE '' END
      FROM bench_execution e
    """,
    """
    INSERT INTO executions_step (execution_id, path, step_id, is_iteration, scope_type, scope_id, sort_key, status,
           attempt, tries, failures, provider_failures, crashes, question_rounds, rework_rounds, carry, document_id,
           started_at, completed_at, error_code, error_detail)
    SELECT e.id, 'step_' || k, 'step_' || k, false, 'project', e.project_id, lpad(k::text, 6, '0'),
           CASE WHEN e.status = 'completed' OR k = 1 AND e.status <> 'pending' THEN 'completed'
                WHEN k = 2 AND e.status <> 'pending' THEN e.status
                WHEN e.status IN ('failed', 'cancelled') THEN 'cancelled' ELSE 'pending' END,
           1, 1, 0, 0, 0, 0, 0, '{}', NULL, e.started_at, e.started_at + make_interval(mins => k), '', ''
      FROM bench_execution e, generate_series(1, 3) k
    """,
    """
    INSERT INTO executions_event (execution_id, seq, event_type, step_id, path, timestamp, data)
    SELECT e.id, k, CASE k WHEN 1 THEN 'execution_started' WHEN 6 THEN 'execution_completed'
                           ELSE 'step_completed' END,
           'step_1', 'step_1', e.started_at + make_interval(mins => k), jsonb_build_object('document_id', e.id)
      FROM bench_execution e, generate_series(1, 6) k
    """,
    # One long execution, the newest that has completed.
    """
    CREATE TABLE bench_long AS SELECT id, project_id, started_at FROM executions_execution
     WHERE status = 'completed' AND project_id = 'project-large' ORDER BY started_at DESC LIMIT 1
    """,
    """
    INSERT INTO executions_event (execution_id, seq, event_type, step_id, path, timestamp, data)
    SELECT e.id, k, 'step_started', 'step_1', 'step_1', e.started_at + make_interval(secs => k), '{"attempt": 1}'
      FROM bench_long e, generate_series(7, %(events)s) k
    """,
    """
    INSERT INTO executions_step (execution_id, path, step_id, is_iteration, scope_type, scope_id, sort_key, status,
           attempt, tries, failures, provider_failures, crashes, question_rounds, rework_rounds, carry,
           started_at, completed_at, error_code, error_detail)
    SELECT e.id, 'step_' || k, 'step_' || k, false, 'project', e.project_id, lpad(k::text, 6, '0'), 'completed',
           1, 1, 0, 0, 0, 0, 0, '{}', e.started_at, e.started_at + make_interval(mins => k), '', ''
      FROM bench_long e, generate_series(4, %(steps)s) k
    """,
    "DROP TABLE bench_long",
    """
    INSERT INTO executions_attempt (id, execution_id, step_id, n, content_attempt, status, started_at, finished_at,
           outcome, detail, findings)
    SELECT gen_random_uuid(), execution_id, id, 1, 1, 'succeeded', started_at, completed_at, 'document', '', '[]'
      FROM executions_step WHERE status <> 'pending'
    """,
    """
    INSERT INTO executions_llmcall (id, execution_id, step_id, attempt_id, status, model, request_sha256, request_chars,
           max_tokens, input_tokens, output_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
           thinking_tokens, usage, is_estimated, cost_usd, unit_prices, price_version, latency_ms, stop_reason,
           message_id, request_id, error_class, response_text, is_offline, started_at, finished_at)
    SELECT gen_random_uuid(), a.execution_id, a.step_id, a.id, 'succeeded', 'claude-sonnet-5-5', md5(a.id::text), 4000,
           8000, 1000, 500, 0, 0, 0, 0, '{}', false, 0.01, '{}', '1', 4000, 'end_turn', 'msg', 'req', '',
           to_json(repeat(md5(a.id::text), 10))::text, false, a.started_at, a.finished_at
      FROM executions_attempt a
    """,
    # One document per execution is of its project, with as many versions as there are executions; two of its epic.
    """
    INSERT INTO documents_document (id, project_id, scope_type, scope_id, document_type, version, is_latest, status,
           title, summary, content, content_sha256, created_at, created_by, created_by_step, execution_id, is_offline)
    SELECT gen_random_uuid(), e.project_id, CASE k WHEN 1 THEN 'project' ELSE 'epic' END,
           CASE k WHEN 1 THEN e.project_id ELSE e.project_id || ':E' || e.n END,
           CASE k WHEN 1 THEN 'charter' WHEN 2 THEN 'plan' ELSE 'backlog' END,
           CASE k WHEN 1 THEN e.version ELSE 1 END, k > 1 OR e.version = e.version_count,
           CASE WHEN k = 2 AND e.status = 'waiting_acceptance' THEN 'in_review'
                WHEN k = 3 THEN 'final' ELSE 'accepted' END,
           'Document ' || e.n || ' ' || k, 'What it says in one sentence.',
           jsonb_build_object('title', 'Document ' || e.n, 'points', jsonb_build_array(repeat(md5(e.n::text), 8),
                              repeat(md5(k::text), 8), repeat(md5((e.n + k)::text), 8))),
           md5(e.id::text) || md5(k::text), e.started_at + make_interval(mins => k), 'claude-sonnet-5-5',
           'step_' || k, e.id, false
      FROM (SELECT *, row_number() OVER (PARTITION BY project_id ORDER BY n) AS version,
                   count(*) OVER (PARTITION BY project_id) AS version_count FROM bench_execution) e,
           generate_series(1, 3) k
    """,
    # Open gates where the execution waits, decided ones at every second of the others.
    """
    INSERT INTO executions_gate (id, execution_id, step_id, path, kind, status, document_type, scope_type, scope_id,
           document_id, document_version, content_sha256, questions, roles, users, quorum, four_eyes, policy, opened_at,
           closed_at)
    SELECT gen_random_uuid(), e.id, s.id, s.path,
           CASE e.status WHEN 'waiting_clarification' THEN 'clarification' ELSE 'acceptance' END,
           CASE WHEN e.status LIKE 'waiting%%' THEN 'open' ELSE 'decided' END,
           'plan', 'epic', e.project_id || ':E' || e.n, e.id, 1, md5(e.id::text), '[]',
           CASE WHEN n %% 3 = 0 THEN '["reviewer"]'::jsonb ELSE '["editor"]' END, '[]', 1, n %% 7 = 0, '{}',
           e.started_at + interval '2 minutes',
           CASE WHEN e.status NOT LIKE 'waiting%%' THEN e.started_at + interval '9 minutes' END
      FROM bench_execution e JOIN executions_step s ON s.execution_id = e.id AND s.path = 'step_2'
     WHERE e.status LIKE 'waiting%%' OR e.status = 'completed' AND e.n %% 2 = 0
    """,
    """
    INSERT INTO executions_decision (gate_id, user_id, by, decision, comment, comments, channel, decided_at,
           content_sha256)
    SELECT id, %(root)s, 'root', 'accept', '', '[]', 'api', closed_at, content_sha256
      FROM executions_gate WHERE status = 'decided'
    """,
    "DROP TABLE bench_execution",
)

# Everybody's are open, but for those that only mark sees.
_CLOSE = """
    INSERT INTO executions_project_users (project_id, user_id)
    SELECT id, %(mark)s FROM executions_project WHERE id > %(after)s AND id <> 'project-large'
        ON CONFLICT DO NOTHING
"""
_LET_IN = "INSERT INTO executions_project_users (project_id, user_id) SELECT unnest(%(projects)s::text[]), %(mona)s"


def build(count: int) -> None:
    """Make ``count`` executions, with steps, events, attempts, calls, documents and gates to match."""
    load_package(PACKAGE, at=timezone.now())
    people = {name: _person(name, *roles) for name, roles in _PEOPLE.items()}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM workflows_workflowrevision LIMIT 1")
        facts = {
            "events": LONG_EVENTS,
            "steps": LONG_STEPS,
            "count": count,
            "root": people["root"].pk,
            "revision": cursor.fetchone()[0],
        }
        for statement in _STATEMENTS:
            cursor.execute(statement, facts)
        cursor.execute(_CLOSE, {"mark": people["mark"].pk, "after": f"project-{OPEN_COUNT:05}"})
        cursor.execute("VACUUM ANALYZE")


def close_projects() -> None:
    """Close all projects but a few, which have mona as a member."""
    mona, mark = User.objects.get(username="mona"), User.objects.get(username="mark")
    with connection.cursor() as cursor:
        cursor.execute(_LET_IN, {"projects": list(MEMBER_OF), "mona": mona.pk})
        cursor.execute(_CLOSE, {"mark": mark.pk, "after": ""})
        cursor.execute(
            "INSERT INTO executions_project_users (project_id, user_id) VALUES ('project-large', %s)", [mark.pk]
        )
        cursor.execute("VACUUM ANALYZE executions_project_users")


def _person(name: str, *roles: str) -> User:
    user = User.objects.create(username=name, is_superuser=name == "root")
    for role in roles:
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user
