"""What waits for whom: the index page, and the conditions behind it."""

from __future__ import annotations

from itertools import product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from executions.admin.waiting import inbox, waiting_for_others
from executions.models import Execution, Gate, GateKind, Project, Step
from executions.services.access import gates_waiting_for, may_decide
from executions.tests.admin.desk import at_desk, gate_url, in_question, in_review
from executions.tests.engine_cast import decide, person, start
from executions.tests.engine_definitions import single

pytestmark = pytest.mark.django_db


def test_the_index_lists_what_waits_for_the_person_oldest_first() -> None:
    question, review = in_question(), in_review()
    page = at_desk("ed", "editor", "operator").get("/admin/").content.decode()
    assert "Waiting for you (2)" in page
    assert page.index(gate_url(question)) < page.index(gate_url(review))
    assert "Answer 8 questions for note" in page
    assert "Accept note v1" in page


def test_the_index_lists_apart_what_waits_for_others() -> None:
    gate = in_review()
    page = at_desk("vic").get("/admin/").content.decode()
    assert "Waiting for you (0)" in page
    assert "Nothing waits for you." in page
    assert "Waiting for others (1)" in page
    assert "Acceptance of note v1" in page
    assert gate_url(gate) in page


def test_gates_of_hidden_projects_are_in_nobodys_list_and_in_no_count() -> None:
    in_review()
    Project.objects.get().users.add(person("olga"))
    page = at_desk("ed").get("/admin/").content.decode()
    assert "Waiting for you (0)" in page
    assert "Waiting for others (0)" in page


def test_gates_of_a_failed_run_wait_for_nobody() -> None:
    gate = in_review()
    Execution.objects.filter(pk=gate.execution_id).update(status="failed")
    box = inbox(person("ed"))
    assert (box.mine_count, box.others_count) == (0, 0)


def test_after_their_vote_a_gate_waits_for_others() -> None:
    gate = in_review(quorum=2)
    decide("ed", gate, "accept")
    assert inbox(person("ed")).mine == []
    assert inbox(person("ed")).others == [gate]
    assert inbox(person("eva")).mine == [gate]


def test_someone_without_a_role_sees_an_empty_desk() -> None:
    in_review()
    page = at_desk("nobody").get("/admin/").content.decode()
    assert "Waiting for you (0)" in page
    assert "Waiting for others (0)" in page


def test_the_conditions_say_what_access_says() -> None:
    """Every kind of person at every kind of gate: the rows found are those of ``may_decide``."""
    people = [person("olga"), person("ed"), person("vic"), person("root"), person("both", "operator", "editor")]
    execution = start(single())
    step = Step.objects.filter(execution=execution)[0]
    Execution.objects.filter(pk=execution.pk).update(status="running")
    combinations = list(product(GateKind, ([], ["editor"], ["operator"]), ([], ["ed"], ["root"]), (False, True)))
    for kind, roles, users, four_eyes in combinations:
        gate = Gate.objects.create(
            execution=execution, step=step, path="note", kind=kind, roles=roles, users=users, four_eyes=four_eyes,
            document_type="note", scope_type="project", scope_id="apollo", opened_at=timezone.now(),
        )  # fmt: skip
        for user in people:
            found = gates_waiting_for(Gate.objects.all(), user).filter(pk=gate.pk).exists()
            others = waiting_for_others(Gate.objects.all(), user).filter(pk=gate.pk).exists()
            assert (found, others) == (may_decide(user, gate), not may_decide(user, gate)), (user, kind, roles, users)
        gate.delete()
    assert len(combinations) == 36


def test_the_index_takes_the_same_number_of_queries_however_much_waits() -> None:
    client = at_desk("ed")
    in_review()
    client.get("/admin/")
    with CaptureQueriesContext(connection) as few:
        client.get("/admin/")
    for _ in range(25):
        in_review()
    with CaptureQueriesContext(connection) as many:
        page = client.get("/admin/").content.decode()
    assert len(few) == len(many) <= 20
    assert "Waiting for you (26)" in page
    assert f'{reverse("admin:executions_gate_inbox")}?tab=mine">All 26 that wait for you' in page


def test_the_list_of_gates_can_be_narrowed_to_what_waits_for_me() -> None:
    review, question = in_review(), in_question()
    client, url = at_desk("ed"), reverse("admin:executions_gate_changelist")
    assert list(client.get(f"{url}?waiting=me").context["cl"].result_list) == [review]
    assert list(client.get(f"{url}?waiting=others").context["cl"].result_list) == [question]
