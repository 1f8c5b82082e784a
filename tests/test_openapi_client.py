"""A client that a generator makes of the document alone brings a run from its start to its documents."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from combine.api.openapi.views import document
from tests.api_site import ApiSite, api_site

# The site's database is a copy of the test database, which is only made for tests that say so.
pytestmark = pytest.mark.django_db

NAME = "combine_client"


@pytest.fixture(scope="module")
def site(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[ApiSite]:
    with api_site("openapi_client", django_db_blocker) as site:
        yield site


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], ModuleType]]:
    """Return a function that imports a module of the generated client."""
    directory = tmp_path_factory.mktemp("client")
    (directory / "openapi.json").write_text(json.dumps(document()))
    (directory / "config.yml").write_text("post_hooks: []\n")
    arguments = ["--path", "openapi.json", "--config", "config.yml", "--output-path", NAME, "--meta", "none"]
    made = subprocess.run(
        [Path(sys.executable).parent / "openapi-python-client", "generate", "--fail-on-warning", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(directory))
    yield lambda name: importlib.import_module(f"{NAME}.{name}")
    sys.path.remove(str(directory))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


class Person:
    """Somebody with the generated client in their hands."""

    def __init__(self, generated: Callable[[str], ModuleType], url: str, token: str) -> None:
        self._generated = generated
        self._client = generated("client").AuthenticatedClient(base_url=url, token=token)

    def call(self, module: str, **parameters: Any) -> Any:
        """Make a call, and return what the client makes of the answer."""
        return self._generated(f"api.{module}").sync(client=self._client, **parameters)

    def close(self) -> None:
        self._client.get_httpx_client().close()


@pytest.fixture(scope="module")
def person(generated: Callable[[str], ModuleType], site: ApiSite) -> Iterator[Person]:
    person = Person(generated, site.url, site.make_account("gen"))
    yield person
    person.close()


def test_a_generated_client_drives_a_whole_run(
    generated: Callable[[str], ModuleType], site: ApiSite, person: Person
) -> None:
    models = generated("models")
    workflow = person.call("workflows.get_workflow", workflow_id="software_product")
    assert isinstance(workflow, models.WorkflowDetail)
    assert isinstance(workflow.steps[0], models.ProductionStep)

    brief = models.Brief.from_dict({"idea": "A library that lends tools."})
    body = models.StartBody(project_id="generated", initial_context=brief, budget_usd="50")
    started = person.call("executions.start_execution", workflow_id="software_product", body=body)
    assert isinstance(started, models.Execution)

    done = _bring_to_its_end(person, models, started.execution_id)
    assert done.status is models.ExecutionStatus.COMPLETED
    assert done.error is None

    page = person.call("documents.list_documents", execution_id=done.execution_id, latest=True, page_size=200)
    assert {document.status.value for document in page.results} == {"accepted", "final"}
    backlog = person.call(
        "documents.get_document_by_scope", scope_type="project", scope_id="generated", document_type="epic_backlog"
    )
    assert backlog.content["epics"]
    assert backlog.execution_id == done.execution_id

    events = person.call("executions.list_execution_events", execution_id=done.execution_id, limit=1000)
    assert [event.seq for event in events.results] == list(range(1, len(events.results) + 1))
    assert events.results[-1].event_type is models.EventType.EXECUTION_COMPLETED
    costs = person.call("telemetry.get_execution_costs", execution_id=done.execution_id)
    assert costs.call_count >= len(page.results)


def test_what_is_refused_is_a_problem_that_the_client_understands(
    generated: Callable[[str], ModuleType], person: Person
) -> None:
    models = generated("models")
    refused = person.call("executions.start_execution", workflow_id="tides", body=models.StartBody(project_id="x"))
    assert isinstance(refused, models.Problem)
    assert (refused.status, refused.code) == (404, "WORKFLOW_NOT_FOUND")


def _bring_to_its_end(person: Person, models: ModuleType, execution_id: Any) -> Any:
    """Look again and again; answer what is asked by its default, accept what waits."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        seen = person.call("executions.get_execution", execution_id=execution_id)
        if seen.status.value in ("completed", "failed", "cancelled"):
            return seen
        if seen.pending_clarification is not None:
            answers = {each.id: _answer(each) for each in seen.pending_clarification.questions}
            body = models.ClarificationBody(
                answers=models.Answers.from_dict(answers), gate_id=seen.pending_clarification.gate_id
            )
            seen = person.call("gates.answer_clarification", execution_id=execution_id, body=body)
        elif seen.pending_acceptance is not None:
            body = models.AcceptanceBody(
                decision=models.Verdict.ACCEPT,
                gate_id=seen.pending_acceptance.gate_id,
                document_id=seen.pending_acceptance.document_id,
            )
            seen = person.call("gates.decide_acceptance", execution_id=execution_id, body=body)
        else:
            time.sleep(0.05)
        assert isinstance(seen, models.Execution), seen
    raise AssertionError(f"the run does not end: {seen.status} {seen.step_progress}")


def _answer(question: Any) -> Any:
    """Return the default, or else what the type of the question takes."""
    return question.default or {"yes_no": True, "number": 40}[question.answer_type.value]
