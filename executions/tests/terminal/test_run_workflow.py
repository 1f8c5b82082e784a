"""The command from start to end, beside a worker that answers as the test says. No network, no child processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from executions.models import Decision, Execution, Gate
from executions.terminal.exits import ExitCode
from executions.tests import invariants
from executions.tests.driving import Scripted, asking, document, question
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import chain, reviewed, single, stored
from executions.tests.pretend_worker import PretendWorker
from executions.tests.test_estimates import completed
from workflows.models import Workflow

pytestmark = pytest.mark.django_db(transaction=True)

AtWork = Callable[..., None]


class Result:
    def __init__(self, code: object, stdout: str, stderr: str) -> None:
        self.code, self.stdout, self.stderr = code, stdout, stderr

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]


def command(*arguments: str, workflow: str = "test", brief: str = "A shop.") -> Result:
    stdout, stderr = StringIO(), StringIO()
    options = [workflow, "--project", "apollo", "--brief", brief, *arguments]
    with pytest.raises(SystemExit) as end:
        call_command("run_workflow", *options, stdout=stdout, stderr=stderr)
    return Result(end.value.code, stdout.getvalue(), stderr.getvalue())


def root(*roles: str) -> None:
    user = person("root")
    user.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles])


QUESTIONS = [
    question("AUDIENCE", answer_type="single_choice", choices=["staff", "public"], required=True),
    question("MANY", answer_type="number", required=True, priority="must"),
    question("WHEN", answer_type="date", required=False, priority="could", default="2027-03-01"),
    question("WHY", answer_type="free_text", required=False, priority="could"),
]


def test_a_run_that_needs_nobody_completes_with_its_documents(at_work: AtWork) -> None:
    root()
    stored(chain(2))
    at_work(Scripted(s1=document(title="One"), s2=document(title="Two")))
    result = command()
    execution = Execution.objects.get()
    assert result.code == ExitCode.COMPLETED
    assert execution.brief == {"description": "A shop."}
    assert execution.started_by == person("root")
    first, heading, *rows = result.stdout.splitlines()
    assert first.startswith(f"Execution {execution.pk} completed (")
    assert heading.split() == ["DOCUMENT", "VERSION", "STATUS", "SCOPE", "ID", "TITLE"]
    assert [(row.split()[0], row.split()[1], row.split()[2], row.split()[-1]) for row in rows] == [
        ("s1", "1", "final", "One"),
        ("s2", "1", "final", "Two"),
    ]
    assert "s1: s1 v1  One" in result.stderr
    invariants.check()


def test_json_gives_a_line_per_event_and_one_object(at_work: AtWork) -> None:
    root()
    stored(single())
    at_work(Scripted(note=document(title="One")))
    result = command("--json", "--quiet", "--budget", "5", "--revision", "r1")
    *events, last = result.frames
    execution = Execution.objects.get()
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5]
    assert [event["event_type"] for event in events][::4] == ["execution_started", "execution_completed"]
    assert last["execution_id"] == str(execution.pk)
    assert (last["status"], last["error"], last["budget_usd"], last["pending_gates"]) == ("completed", None, "5", [])
    assert last["cost_usd"] == f"{execution.cost_usd.normalize():f}"
    (made,) = last["documents"]
    assert (made["document_type"], made["scope_id"], made["version"], made["status"]) == ("note", "apollo", 1, "final")
    assert result.stderr == ""


def test_a_failed_run_exits_1_and_says_why(at_work: AtWork) -> None:
    root()
    stored(chain(2))
    at_work(Scripted(s1=[document(wrong=1)] * 3))
    result = command("--quiet")
    assert result.code == ExitCode.FAILED
    assert "OUTPUT_INVALID: After 3 attempts the output is still not a valid s1" in result.stderr
    assert "/retry" in result.stderr
    assert result.stdout.splitlines()[1:] == ["No documents."]


def test_a_question_without_an_answer_exits_3_and_says_how_to_answer(at_work: AtWork) -> None:
    root()
    stored(single())
    at_work(Scripted(note=asking(*QUESTIONS)))
    result = command("--answer", "AUDIENCE=staff", "--answer", "OTHER=1")
    gate = Gate.objects.get()
    assert result.code == ExitCode.WAITING
    assert "note waits for answers by operator" not in result.stderr
    assert "note waits for answers: no answer was given to MANY" in result.stderr
    assert "AUDIENCE (required, single choice: staff, public): Who will use it?" in result.stderr
    assert f"/admin/executions/gate/{gate.pk}/decide/" in result.stderr
    assert f"/api/v1/executions/{gate.execution_id}/clarification" in result.stderr
    assert "--answer was not used for OTHER" in result.stderr
    assert gate.status == "open"


def test_answers_given_beforehand_are_used(at_work: AtWork) -> None:
    root()
    stored(single())
    at_work(Scripted(note=asking(*QUESTIONS)))
    result = command("--answer", "AUDIENCE=public", "--answer", "MANY=40")
    assert result.code == ExitCode.COMPLETED
    assert Gate.objects.get().answers == {"AUDIENCE": "public", "MANY": 40}
    assert Decision.objects.get().channel == "terminal"


def test_a_wrong_answer_is_not_replaced_by_an_assumption(at_work: AtWork) -> None:
    root()
    stored(single())
    at_work(Scripted(note=asking(*QUESTIONS)))
    result = command("--accept-all", "--answer", "MANY=lots", "--json")
    assert result.code == ExitCode.WAITING
    assert "the given answers do not do: MANY: must be a number" in result.stderr
    assert result.frames[-1]["status"] == "waiting_clarification"
    assert result.frames[-1]["pending_gates"][0]["kind"] == "clarification"


def test_accept_all_assumes_answers_and_accepts_documents(at_work: AtWork) -> None:
    root("editor")
    stored(reviewed("editor"))
    at_work(Scripted(note=asking(*QUESTIONS)))
    result = command("--accept-all", "--answer", "AUDIENCE=public", "--json")
    assert result.code == ExitCode.COMPLETED
    assert Gate.objects.get(kind="clarification").answers == {"AUDIENCE": "public", "MANY": 1, "WHEN": "2027-03-01"}
    assert result.frames[-1]["assumed_answers"] == {"MANY": 1, "WHEN": "2027-03-01"}
    assert "assumed MANY = 1 (there is no default)" in result.stderr
    decision = Decision.objects.get(decision="accept")
    assert (decision.by, decision.channel, decision.document_version) == ("root", "terminal", 1)
    assert [made["status"] for made in result.frames[-1]["documents"]] == ["accepted", "final"]
    invariants.check()


def test_accept_all_acts_as_the_named_user(at_work: AtWork) -> None:
    root()
    person("ed").groups.add(Group.objects.get_or_create(name="operator")[0])
    stored(reviewed("editor"))
    at_work()
    assert command("--accept-all", "--as", "ed").code == ExitCode.COMPLETED
    assert Decision.objects.get().by == "ed"
    assert Execution.objects.get().started_by == person("ed")


def test_accept_all_without_the_role_starts_nothing_and_names_the_command(transactional_db: None) -> None:
    root("operator")
    stored(reviewed("editor"))
    result = command("--accept-all")
    assert result.code == ExitCode.REFUSED
    assert "root may not accept note without the role editor. Nothing was started." in result.stderr
    assert "manage.py create_user root --update --roles admin,editor,operator" in result.stderr
    assert not Execution.objects.exists()


def test_accept_all_says_that_a_quorum_takes_more_people(at_work: AtWork) -> None:
    root("editor")
    stored(reviewed("editor", quorum=2))
    at_work()
    result = command("--accept-all")
    assert result.code == ExitCode.WAITING
    assert "note needs 2 people; root is one" in result.stderr
    assert "root has accepted (1 of 2); it takes 2 people, and one person has one vote" in result.stderr
    assert Decision.objects.count() == 1


def test_accept_all_leaves_a_document_to_other_eyes(at_work: AtWork) -> None:
    root("editor")
    stored(reviewed("editor", four_eyes=True))
    at_work()
    result = command("--accept-all")
    assert result.code == ExitCode.WAITING
    assert "must be accepted by somebody else than root" in result.stderr
    assert not Decision.objects.exists()


def test_without_accept_all_a_document_waits(at_work: AtWork) -> None:
    root("editor")
    stored(reviewed("editor"))
    at_work()
    result = command("--no-input")
    gate = Gate.objects.get()
    assert result.code == ExitCode.WAITING
    assert "note waits for acceptance of note v1 by editor: it waits for somebody's decision" in result.stderr
    assert f'POST http://127.0.0.1:8000/api/v1/executions/{gate.execution_id}/acceptance {{"gate_id": "{gate.pk}"' in (
        result.stderr
    )


def test_a_time_out_leaves_the_execution_alone(transactional_db: None) -> None:
    """Nobody works here, but a worker has reported: the run stays pending."""
    PretendWorker()
    root()
    stored(single())
    result = command("--timeout", "0.3", "--json")
    execution = Execution.objects.get()
    assert result.code == ExitCode.INTERRUPTED
    assert f"0.3 s are over: execution {execution.pk} is not cancelled and goes on." in result.stderr
    assert f"/api/v1/executions/{execution.pk}/events" in result.stderr
    assert result.frames[-1]["status"] == "pending"


def test_an_unknown_workflow_names_those_that_exist(transactional_db: None) -> None:
    root()
    stored(single())
    result = command(workflow="tset")
    assert result.code == ExitCode.NOT_FOUND
    assert result.stderr == "There is no workflow 'tset'. Do you mean test? There are: test.\n"


def test_an_unknown_revision_names_those_that_exist(transactional_db: None) -> None:
    root()
    stored(single())
    result = command("--revision", "r9")
    assert result.code == ExitCode.NOT_FOUND
    assert result.stderr == "The workflow 'test' has no revision 'r9'. There are: r1.\n"


def test_packages_are_loaded_where_there_is_no_workflow(transactional_db: None) -> None:
    root()
    result = command(workflow="nothing")
    assert result.code == ExitCode.NOT_FOUND
    assert "There are: public_notice, software_product, strategy_document." in result.stderr
    assert Workflow.objects.count() == 3


def test_somebody_must_be_there_to_act_as(transactional_db: None) -> None:
    stored(single())
    result = command()
    assert result.code == ExitCode.REFUSED
    assert "manage.py create_user admin" in result.stderr
    assert command("--as", "zoe").code == ExitCode.NOT_FOUND


@pytest.mark.parametrize("name", ["vic", "nobody"])
def test_who_may_not_start_is_refused(transactional_db: None, name: str) -> None:
    person(name)
    stored(single())
    result = command("--as", name)
    assert result.code == ExitCode.REFUSED
    assert f"{name}: To start a run you need the role operator" in result.stderr


@pytest.mark.parametrize(
    ("project", "brief", "words"),
    [
        ("not good", "A shop.", "--project must be a text of 1 to 64 letters"),
        ("apollo", '{"note": {"wrong": 1}}', "--brief at /note"),
        ("apollo", '{"text": "%s"}' % ("x" * 1_000_001), "--brief is 1000"),
    ],
)
def test_what_the_service_refuses_is_wrong_usage(transactional_db: None, project: str, brief: str, words: str) -> None:
    root()
    stored(single())
    stderr = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("run_workflow", "test", "--project", project, "--brief", brief, stderr=stderr)
    assert end.value.code == ExitCode.USAGE
    assert "Nothing was started" in stderr.getvalue()
    assert words in stderr.getvalue()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--budget", "much"],
        ["--budget", "-1"],
        ["--budget", "NaN"],
        ["--timeout", "0"],
        ["--timeout", "inf"],
        ["--nope"],
    ],
)
def test_wrong_options_are_wrong_usage(arguments: list[str]) -> None:
    # From the command line argparse itself ends with 2.
    with pytest.raises(CommandError, match=r"Error: (argument|unrecognized)"):
        call_command("run_workflow", "test", "--project", "p", "--brief", "b", *arguments)


def test_a_project_of_others_does_not_exist(transactional_db: None) -> None:
    execution = start(single())
    execution.project.users.add(person("vic"))
    person("olga")
    result = command("--as", "olga")
    assert result.code == ExitCode.NOT_FOUND
    assert "There is no project apollo." in result.stderr


def test_a_dry_run_checks_everything_says_what_runs_cost_and_starts_nothing() -> None:
    root()
    revision = stored(single())
    result = command("--dry-run")
    assert result.code == ExitCode.COMPLETED
    assert "test, revision r1, could be started in project apollo. Nothing was started." in result.stdout
    assert "No run of this workflow has been completed yet" in result.stdout
    for cost in ("0.40", "0.50", "0.90"):
        completed(revision, cost, seconds=90, calls=2)
    result = command("--dry-run", "--budget", "0.1")
    assert "  cost   $0.50, $0.90" in result.stdout
    assert "  time   1 min 30 s, 1 min 30 s, with people's" in result.stdout
    assert "The budget of $0.10 is less than half of them took." in result.stdout
    (answer,) = command("--dry-run", "--json", "--quiet", "--budget", "5").frames
    assert (answer["is_dry_run"], answer["budget_usd"], answer["step_count"]) == (True, "5", 1)
    assert answer["estimate"]["median_cost_usd"] == "0.5"
    assert (answer["estimate"]["p95_duration_ms"], answer["estimate"]["run_count"]) == (90_000, 3)
    assert Execution.objects.count() == 3
    # No worker was brought either: nobody would have stopped it.
    assert "No worker is running" not in result.stderr


def test_a_dry_run_is_refused_where_the_run_would_be() -> None:
    root()
    stored(reviewed("editor"))
    person("vic")
    assert command("--dry-run", "--as", "vic").code == ExitCode.REFUSED
    assert command("--dry-run", workflow="unknown").code == ExitCode.NOT_FOUND
    result = command("--dry-run", "--accept-all")
    assert result.code == ExitCode.REFUSED
    assert "root may not accept note without the role editor" in result.stderr
    assert Execution.objects.count() == 0
