"""The log of real processes: lines of JSON with ids in them, and nothing that people or models wrote."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from django.db import connection

from executions.llm.offline.replies import Reply, Rule
from executions.models import Execution
from executions.tests.engine_cast import open_gate, person, status
from executions.tests.engine_definitions import reviewed, stored
from executions.tests.streams.web import WebProcess, bearer, ended
from tests.acceptance.site import Place, Site, Worker

JSON = dict[str, Any]

# In whatever is written or sent below. The prompts of the test's workflows have these words.
CANARY = "canary"
PROMPTS = ("You write.", "Write it.")
START = "/api/v1/workflows/test/start"
KEY = f"sk-{CANARY}"
JSON_LOG = {"COMBINE_LOG_FORMAT": "json", "COMBINE_LOG_LEVEL": "debug", "ANTHROPIC_API_KEY": KEY}

# A defect whose words hold what was to be stored.
_REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'cannot store %', to_jsonb(NEW) USING DETAIL = to_jsonb(NEW)::text; END $$
"""
_REFUSE_DOCUMENTS = "CREATE TRIGGER refuse BEFORE INSERT ON documents_document FOR EACH ROW EXECUTE FUNCTION refuse()"
_REFUSE_RUNS = "CREATE TRIGGER refuse BEFORE INSERT ON executions_execution FOR EACH ROW EXECUTE FUNCTION refuse()"


def what_is_written_is_in_no_line_of_the_log(place: Place) -> None:
    """Neither in a whole run, with tries that fail in every way, nor where a defect's own words hold it."""
    texts = (f'{{"nonsense": "{CANARY}"}}', f"no JSON, {CANARY}")
    rules = [Rule(reply=Reply(text=text), times=1) for text in texts]
    rules += [Rule(reply=Reply(fault="status:529", error_message=CANARY), times=1)]
    default = Reply(text=json.dumps({"title": CANARY, "text": CANARY}))
    with Site(place, default=default, rules=rules) as site:
        stored(reviewed("editor"))
        worker = site.worker(environment=JSON_LOG)
        web = WebProcess(worker.log.with_name("web.log"), **JSON_LOG)
        with ended(web):
            run = _started(web)
            _a_whole_run(site, web, run)
            _what_is_refused(web)
            site.model.rules = [Rule(reply=Reply(fault="status:400", error_message=CANARY), times=1)]
            failing = _started(web)
            site.wait_until(lambda: status(failing) == "failed", "the run has failed")
            _defects(worker, web)
            site.wait_until(lambda: "api_error" in web.log.read_text(), "the defect is logged")
        worker_lines, web_lines = _lines(worker.log), _lines(web.log)
        _check_worker(worker_lines, run, failing)
        _check_web(web_lines, run)


def _a_whole_run(site: Site, web: WebProcess, run: Execution) -> None:
    person("ed", "editor")
    for decision in ("request_changes", "accept"):
        site.wait_until(lambda: run.gates.filter(status="open").exists(), "the gate is open")
        body = {"decision": decision, "comment": CANARY, "document_id": str(open_gate(run).document_id)}
        assert _post(web, f"/api/v1/executions/{run.pk}/acceptance", body, by="ed")[0] == 200
    site.wait_for_end([run])


def _what_is_refused(web: WebProcess) -> None:
    assert _post(web, START, {"project_id": f"{CANARY} {CANARY}", "budget_usd": CANARY})[0] == 422
    assert _post(web, START, f'{{"project_id": "{CANARY}", ')[0] == 400
    assert _post(web, START, {CANARY: CANARY})[0] == 422
    headers = {"Authorization": f"Bearer {CANARY}", "Cookie": f"sessionid={CANARY}; csrftoken={CANARY}"}
    assert _exchange(web, "GET", "/api/v1/executions", headers=headers)[0] == 401


def _defects(worker: Worker, web: WebProcess) -> None:
    """Have the worker fail at storing what a model wrote, and the web process at storing a brief."""
    with connection.cursor() as cursor:
        cursor.execute(_REFUSE)
        cursor.execute(_REFUSE_DOCUMENTS)
        _started(web)
        assert worker.wait() == 1
        cursor.execute(_REFUSE_RUNS)
    assert _post(web, START, {"project_id": "apollo", "initial_context": {"wish": CANARY}})[0] == 500


def _started(web: WebProcess) -> Execution:
    body = {"project_id": "apollo", "initial_context": {"wish": CANARY}}
    code, answer = _post(web, START, body)
    assert code == 201, web.log.read_text()[-4000:]
    return Execution.objects.get(pk=answer["execution_id"])


def _post(web: WebProcess, path: str, body: JSON | str, *, by: str = "olga") -> tuple[int, JSON]:
    text = body if isinstance(body, str) else json.dumps(body)
    headers = {**bearer(person(by)), "Content-Type": "application/json", "X-Request-ID": f"of-{by}"}
    return _exchange(web, "POST", path, text, headers)


def _exchange(web: WebProcess, method: str, path: str, body: str = "", headers: JSON | None = None) -> tuple[int, JSON]:
    door = http.client.HTTPConnection(web.host, timeout=30)
    door.request(method, path, body.encode(), headers or {})
    answer = door.getresponse()
    found = answer.status, json.loads(answer.read() or b"{}")
    door.close()
    return found


def _lines(log: Path) -> list[JSON]:
    """Read a log: every line is JSON but the worker's greeting, which is no log line, and goes to stdout."""
    text = log.read_text()
    assert CANARY not in text, [line for line in text.splitlines() if CANARY in line]
    assert not any(prompt in text for prompt in PROMPTS)
    return [json.loads(line) for line in text.splitlines() if line != "worker: ready to work"]


def _check_worker(lines: list[JSON], run: Execution, failing: Execution) -> None:
    by_action: dict[str, list[JSON]] = {}
    for line in lines:
        assert {"time", "level", "logger", "message"} <= line.keys()
        by_action.setdefault(line.get("action", ""), []).append(line)
        if line["logger"] == "executions.runner" and line["action"] != "retry":
            assert {"execution_id", "step_id", "path", "attempt"} <= line.keys(), line
    outcomes = [each["outcome"] for each in by_action["step_recorded"] if each["execution_id"] == str(run.pk)]
    assert outcomes == ["Invalid", "Invalid", "ProviderFailed", "Produced", "Produced", "Produced"]
    errors = {each["error"]: each for each in by_action["call_failed"]}
    assert set(errors) == {"Overloaded", "BadRequest"}
    assert errors["BadRequest"]["execution_id"] == str(failing.pk)
    assert errors["BadRequest"]["provider_request_id"].startswith("req_scripted_")
    (defect,) = by_action["record_failed"]
    assert "create_versions" in defect["exception"]
    assert "psycopg.errors.RaiseException: P0001" in defect["exception"]
    assert [line["level"] for line in by_action["process_ended"]] == ["CRITICAL"]


def _check_web(lines: list[JSON], run: Execution) -> None:
    acts = [line for line in lines if line.get("action") == "acted" and line.get("execution_id") == str(run.pk)]
    found = [(line["act"], line["request_id"]) for line in acts]
    assert found == [("execution.start", "of-olga"), ("gate.request_changes", "of-ed"), ("gate.accept", "of-ed")]
    (defect,) = (line for line in lines if line.get("action") == "api_error")
    assert defect["request_id"] == "of-olga"
    assert defect["workflow_id"] == "test"
    assert "start_execution" in defect["exception"]
