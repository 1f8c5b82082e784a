"""The page of one run without a script: right in every state, for everybody who may see it and for nobody else."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from executions.api.event_data import DATA
from executions.engine.state import ErrorCode
from executions.llm.errors import RateLimited
from executions.models import Event, Execution, Gate, Project, Step
from executions.pages import live_words
from executions.pages.live_view import Load
from executions.services.executions import cancel_execution
from executions.tests.driving import Scripted, asking, backlog, document, drive
from executions.tests.engine_cast import answer, decide, open_gate, person, start
from executions.tests.engine_definitions import chain, epics, note, reviewed, single, step, stories, workflow
from executions.tests.pages.visitors import words

pytestmark = pytest.mark.django_db


def browser(name: str, *roles: str, is_staff: bool = False) -> Client:
    user = person(name, *roles)
    User.objects.filter(pk=user.pk).update(is_staff=is_staff)
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    return client


def url_of(execution: Execution) -> str:
    return reverse("execution-page", args=(execution.pk,))


def page_of(execution: Execution, name: str = "olga", **keys: bool) -> str:
    response = browser(name, **keys).get(url_of(execution))
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def worker_seen(seconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_workers")
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - make_interval(secs => %s))", [seconds]
        )


def test_pending_run_says_its_place_in_the_queue_and_that_there_is_a_worker() -> None:
    start(single())
    execution = start(single())
    worker_seen(3)
    page = page_of(execution)
    assert re.search(r"1 run is before it\. A worker was last seen \d+ s ago\.", page)
    assert "waiting for a worker" in page
    assert "No output yet." in page


def test_pending_run_says_how_to_start_a_worker_when_there_is_none() -> None:
    execution = start(single())
    worker_seen(90)
    assert "Start one: python manage.py worker" in page_of(execution)


def test_completed_run_names_its_document_and_opens_no_stream() -> None:
    execution = start(single(), budget=Decimal(20))
    drive(execution, Scripted(note=document(title="The lighthouse", text="Tall.")))
    page = page_of(execution)
    assert "Completed in" in page
    assert "The lighthouse" in page
    assert '"over": true' in page
    assert "of $20.00" in page
    assert 'id="output"' not in page
    assert "✓ Test · The Combine</title>" in page


def test_waiting_run_asks_the_one_who_may_decide_and_tells_others_who_that_is() -> None:
    execution = start(reviewed("editor"))
    person("ed")
    person("eva")
    drive(execution)
    gate = open_gate(execution)
    mine = page_of(execution, "ed", is_staff=True)
    assert "Waiting for you:" in mine
    assert "accept “Note” v1" in mine
    assert reverse("admin:executions_gate_decide", args=(gate.pk,)) in mine
    assert "● Needs you · Test" in mine
    theirs = page_of(execution, "vic")
    assert "Waiting for editor (2 people):" in theirs
    assert "Waiting for you" not in theirs
    assert reverse("admin:executions_gate_decide", args=(gate.pk,)) not in theirs
    assert "waiting for editor" in theirs


def test_answers_and_acceptances_are_named_with_their_people() -> None:
    execution = start(reviewed("editor"))
    drive(execution, Scripted(note=[asking(), document(title="Second")]))
    answer("olga", Gate.objects.get(execution=execution), {"WHO": "Sailors"})
    drive(execution, Scripted(note=document(title="Second")))
    assert "answered by olga" in page_of(execution)
    decide("ed", open_gate(execution), "accept")
    page = page_of(execution)
    assert "accepted by ed" in page
    assert "was accepted by ed" in page


def test_failed_run_says_why_what_to_do_and_keeps_the_raw_detail() -> None:
    execution = start(single())
    drive(execution, Scripted(note=[document(nonsense=n) for n in range(3)]))
    page = page_of(execution)
    assert "did not fit the document&#x27;s schema" in page
    assert "failed (OUTPUT_INVALID)" in page
    assert "After 3 attempts" in page
    assert reverse("execution-retry-page", args=(execution.pk,)) in page
    assert "wrote something that is not valid; try 2 begins" in page


def test_step_that_is_tried_again_later_says_when() -> None:
    execution = start(single())
    drive(execution, Scripted(note=RateLimited("slow down", request_id="req_1", retry_after=40)))
    assert "tries again in" in page_of(execution)


def test_cancelled_run_says_who_cancelled_it_and_why() -> None:
    execution = start(single())
    cancel_execution(actor=person("olga"), execution_id=execution.pk, reason="The wrong <b>brief</b>.")
    page = page_of(execution)
    assert "Cancelled by olga" in page
    assert "The wrong &lt;b&gt;brief&lt;/b&gt;." in page
    assert "not run" in page or "cancelled" in page


def test_iterations_are_shown_by_item_with_its_heading_and_what_is_done() -> None:
    execution = start(epics())
    drive(execution, Scripted(backlog=backlog("E1", "E2"), summary=[]))
    page = page_of(execution)
    assert "Epic E1" in page
    assert "Item E1" in page
    assert "2 of 2 items done" in page
    assert "per_epic%5BE1%5D.plan" in page


def test_nobody_else_sees_the_run_or_anything_of_it() -> None:
    execution = start(single())
    drive(execution)
    Project.objects.get(pk=execution.project_id).users.add(person("olga"))
    made = execution.pk, Step.objects.get(execution=execution).document_id
    addresses = [
        url_of(execution),
        reverse("execution-parts", args=(execution.pk,)),
        reverse("execution-group", args=(execution.pk,)) + "?item=x",
        reverse("execution-cancel-page", args=(execution.pk,)),
        reverse("execution-retry-page", args=(execution.pk,)),
        reverse("execution-document-text", args=made),
        reverse("step-page", args=(execution.pk, "note")),
        reverse("attempt-page", args=(execution.pk, "note", 1)),
    ]
    stranger, member = browser("vic"), browser("olga")
    assert [stranger.get(address).status_code for address in addresses] == [404] * len(addresses)
    assert {member.get(address).status_code for address in addresses if "item=x" not in address} == {200}
    assert {Client().get(address).status_code for address in addresses} == {302}


def test_number_of_statements_does_not_grow_with_the_run(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    small, large = start(epics()), start(epics())
    drive(small, Scripted(backlog=backlog("E1")))
    drive(large, Scripted(backlog=backlog(*(f"E{n}" for n in range(1, 31)))))
    client = browser("olga")
    for execution in (small, large):
        for address in (url_of(execution), reverse("execution-parts", args=(execution.pk,)) + "?after=1"):
            with django_assert_max_num_queries(21):
                assert client.get(address).status_code == 200


def test_long_run_leaves_steps_out_until_their_item_is_opened() -> None:
    execution = start(epics())
    drive(execution, Scripted(backlog=backlog(*(f"E{n}" for n in range(1, 131)))))
    client = browser("olga")
    folded = client.get(url_of(execution)).content.decode()
    assert folded.count("data-row=") == 3
    assert "Show the 1 step" in folded
    opened = client.get(url_of(execution) + "?open=per_epic%5BE7%5D").content.decode()
    assert opened.count("data-row=") == 4
    group = client.get(reverse("execution-group", args=(execution.pk,)) + "?item=per_epic%5BE9%5D").content.decode()
    assert group.count("data-row=") == 1
    assert 'data-row="per_epic[E9].plan"' in group


def test_parts_tell_what_is_new_since_an_event() -> None:
    execution = start(stories())
    seq = Execution.objects.get(pk=execution.pk).last_seq
    drive(execution, Scripted(backlog=backlog("E1"), stories=backlog("S1")))
    client = browser("olga")
    answer = client.get(reverse("execution-parts", args=(execution.pk,)), {"after": seq}).json()
    assert answer["seq"] == Execution.objects.get(pk=execution.pk).last_seq
    assert answer["over"] is True
    assert 400 <= answer["pause_ms"] <= 10_000
    assert 'data-row="per_epic[E1].per_story[S1].plan"' in answer["tree"]
    assert "Completed in" in answer["html"]["head"]
    nothing = client.get(reverse("execution-parts", args=(execution.pk,)), {"after": answer["seq"]}).json()
    assert nothing["tree"] is None
    assert "backlog" not in nothing["rows"]


def test_many_watchers_are_asked_to_wait_longer() -> None:
    load = Load()
    assert [load.pause_ms() for _ in range(500)][:: 499 // 5] == [400, 2500, 4975, 7450, 9925, 10_000]


def test_long_history_is_paged_and_each_entry_has_an_address() -> None:
    execution = start(single())
    drive(execution)
    last = Execution.objects.get(pk=execution.pk).last_seq
    now = timezone.now()
    Event.objects.bulk_create(
        Event(execution=execution, seq=last + n, event_type="step_started", path="note", step_id="note", timestamp=now)
        for n in range(1, 331)
    )
    Execution.objects.filter(pk=execution.pk).update(last_seq=last + 330)
    client = browser("olga")
    newest = client.get(url_of(execution)).content.decode()
    assert newest.count('id="event-') == 300
    first = last + 330 - 299
    assert f"?before={first}" in newest
    older = client.get(f"{url_of(execution)}?before={first}").content.decode()
    assert 'id="event-1"' in older
    assert f'id="event-{first - 1}"' in older
    assert f'id="event-{first}"' not in older


def test_cancel_asks_once_and_says_what_is_kept() -> None:
    execution = start(reviewed("editor"))
    drive(execution)
    client, address = browser("olga"), reverse("execution-cancel-page", args=(execution.pk,))
    asked = client.get(address).content.decode()
    assert "1 document is kept" in asked
    assert "Open gates (1) are closed" in asked
    assert Execution.objects.get(pk=execution.pk).status == "waiting_acceptance"
    assert client.post(address, {"reason": "Enough."}).headers["Location"] == url_of(execution)
    assert Execution.objects.get(pk=execution.pk).status == "cancelled"
    again = client.post(address, {})
    assert "only a run that is not over can be cancelled" in client.get(address).content.decode()
    assert again.status_code in (302, 409)


def test_retry_goes_on_with_a_new_budget() -> None:
    execution = start(single(), budget=Decimal("0.0000001"))
    drive(execution)
    assert "Retry the run with a higher budget." in page_of(execution)
    client, address = browser("olga"), reverse("execution-retry-page", args=(execution.pk,))
    wrong = client.post(address, {"reason": "", "budget_usd": "-1"})
    assert wrong.status_code == 422
    assert client.post(address, {"reason": "More money", "budget_usd": "5"}).status_code == 302
    execution.refresh_from_db()
    assert (execution.status, execution.budget_usd) == ("running", Decimal(5))


def test_viewer_is_told_why_they_may_not_act() -> None:
    execution = start(single())
    page = page_of(execution, "vic")
    assert "You need the role operator" in page
    refused = browser("vic").post(reverse("execution-cancel-page", args=(execution.pk,)), {"reason": ""})
    assert refused.status_code == 403
    assert Execution.objects.get(pk=execution.pk).status == "pending"


def test_run_reads_right_with_names_that_look_like_markup_or_steer_the_eye() -> None:
    what = workflow({"note": note()}, step("note"))
    what["name"] = "<script>alert(1)</script>\u202etest"
    execution = start(what, brief={"wish": "</script><script>alert(2)</script>"})
    page = page_of(execution)
    assert "<script>alert" not in page
    assert "[U+202E]" in page


def test_time_without_work_is_drawn_shorter() -> None:
    execution = start(reviewed("editor"))
    drive(execution)
    back = timedelta(days=3)
    Gate.objects.filter(execution=execution).update(opened_at=timezone.now() - back)
    Execution.objects.filter(pk=execution.pk).update(started_at=timezone.now() - back - timedelta(seconds=30))
    page = page_of(execution)
    assert "pause drawn shorter" in page or "pauses drawn shorter" in page
    assert "people 3 d" in page


def test_step_and_try_are_pages_of_their_own_with_findings_calls_and_what_changed() -> None:
    execution = start(single())
    drive(execution, Scripted(note=[document(nonsense=1), document(title="Right", text="Good.")]))
    client = browser("ed", "editor", is_staff=True)
    step_url = reverse("step-page", args=(execution.pk, "note"))
    step_page = client.get(step_url).content.decode()
    assert "&#x27;nonsense&#x27; was unexpected" in step_page
    assert f"{step_url}attempts/2/" in step_page
    assert "Right" in step_page
    page = client.get(f"{step_url}attempts/2/").content.decode()
    assert "What is different from try 1" in page
    assert "<del>−   &quot;nonsense&quot;: 1</del>" in page
    assert "<ins>+   &quot;title&quot;: &quot;Right&quot;," in page
    assert "1000" in page
    assert "req_" in page
    first = client.get(f"{step_url}attempts/1/").content.decode()
    assert "What is different" not in first
    assert "What is different from try 2" in client.get(f"{step_url}attempts/1/?against=2").content.decode()


def test_what_a_model_wrote_is_for_staff_only() -> None:
    execution = start(single())
    drive(execution, Scripted(note=[document(nonsense="a secret"), document(title="Right")]))
    address = reverse("attempt-page", args=(execution.pk, "note", 1))
    page = browser("vic").get(f"{address}?against=2").content.decode()
    assert "a secret" not in page
    assert "What the model wrote is for staff only." in page


def test_unknown_step_try_or_document_is_not_found() -> None:
    execution, other = start(single()), start(single(), project="mars")
    drive(execution)
    drive(other)
    client = browser("olga")
    document_id = Step.objects.get(execution=other).document_id
    for name, *args in (
        ("step-page", "nowhere"),
        ("step-page", "a\0b"),
        ("attempt-page", "note", 99999999999999999999),
        ("execution-document-text", document_id),
    ):
        assert client.get(reverse(name, args=(execution.pk, *args))).status_code == 404, name


def test_stored_document_is_given_as_the_text_that_replaces_the_live_one() -> None:
    execution = start(single())
    drive(execution, Scripted(note=document(title="Größe", text="1")))
    document_id = Step.objects.get(execution=execution).document_id
    response = browser("vic").get(reverse("execution-document-text", args=(execution.pk, document_id)))
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response.content.decode() == '{\n  "text": "1",\n  "title": "Größe"\n}'


def test_every_event_type_has_a_sentence_whose_fields_are_in_the_event() -> None:
    known = set(DATA)
    assert {name.partition(".")[0] for name in live_words.SENTENCES} == known
    for name, sentence in live_words.SENTENCES.items():
        fields = set(re.findall(r"\{(\w+)\}", str(sentence.text)))
        assert fields <= {*DATA[name.partition(".")[0]], "document", "count", "roles"}, name
    assert set(live_words.CAUSES) == {code.value for code in ErrorCode}


def test_watchers_who_ask_for_the_same_cost_one_rendering() -> None:
    execution = start(chain(3))
    drive(execution)
    address = reverse("execution-parts", args=(execution.pk,)) + "?after=2"
    olga, vic = browser("olga"), browser("vic")
    with CaptureQueriesContext(connection) as first:
        told = olga.get(address).json()
    with CaptureQueriesContext(connection) as second:
        told_again = vic.get(address).json()
    assert (len(first), len(second)) == (12, 6)
    assert told_again["html"]["head"] == told["html"]["head"]
    assert told_again["rows"] == told["rows"]


def test_warnings_of_budgets_are_in_the_log() -> None:
    execution = start(single(), budget=Decimal("0.0000001"))
    drive(execution)
    assert "This run's budget is used up" in words(browser("olga").get(url_of(execution)))
    for percent, scope, said in (
        (80, "project", "80% of the project's budget is used"),
        (100, "workflow", "The budget of all runs of test is used up"),
        (50, "something new", "50% of a budget is used"),
    ):
        fields = live_words.fields_of(
            "budget_warning", {"percent": percent, "scope": scope, "workflow_id": "test"}, {}, {}
        )
        assert str(live_words.sentence_of("budget_warning", fields).text).format_map(fields) == said
