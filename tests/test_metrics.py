"""``/metrics``: the text that Prometheus reads, and that its figures are the ledger's own."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from executions.llm import errors as llm
from executions.models import Execution, Gate, LLMCall
from executions.services import work
from executions.services.webhooks import create_webhook
from executions.tests.driving import Scripted, asking, document, drive
from executions.tests.engine_cast import person, start
from executions.tests.engine_definitions import chain, reviewed, single
from executions.tests.pretend_worker import PretendWorker, sent_progress
from telemetry.rollup import roll_up
from telemetry.tests.counting import Counted

pytestmark = pytest.mark.django_db

URL = "/metrics"
SCRAPER = "a-token-of-forty-characters-for-scraping"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def scraper(settings: Settings) -> Client:
    settings.COMBINE_METRICS_TOKEN = SCRAPER
    return Client(headers={"Authorization": f"Bearer {SCRAPER}"})


def scraped(client: Client) -> Samples:
    answer = client.get(URL)
    assert answer.status_code == 200, answer.content
    families = text_string_to_metric_families(answer.content.decode())
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for one in families for each in one.samples}


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def some_work() -> None:
    """Runs in several states, and calls that ended in several ways."""
    drive(start(chain(2), project="p1"))
    drive(start(single(), project="p2"), Scripted(note=[document(nonsense=n) for n in range(3)]))
    drive(start(single(), project="p3"), Scripted(note=llm.RateLimited("slow", retry_after=100)))
    drive(start(single(), project="p4"), Scripted(note=asking()))
    drive(start(reviewed("editor"), project="p5"))
    worker = PretendWorker()
    worker.claim(start(single(), project="p6"))
    (cancelled,) = worker.claim(start(single(), project="p8"))
    work.book_cancelled(cancelled, sent_progress(text_chars=400))
    work.release(cancelled)


@pytest.mark.parametrize("are_summed", [False, True])
def test_counters_are_what_the_ledger_holds(scraper: Client, are_summed: bool) -> None:
    some_work()
    if are_summed:
        while roll_up(until=timezone.now() + timedelta(minutes=5)):
            pass
    found = scraped(scraper)
    calls = list(LLMCall.objects.all())
    assert {call.status for call in calls} == {"succeeded", "failed", "cancelled", "in_flight"}
    for model in {call.model for call in calls}:
        mine = [call for call in calls if call.model == model]
        by_outcome = Counter(call.status for call in mine)
        for outcome in ("succeeded", "failed", "cancelled", "lost"):
            assert value(found, "combine_model_calls_total", model=model, outcome=outcome) == by_outcome[outcome]
        assert value(found, "combine_model_calls_in_flight", model=model) == by_outcome["in_flight"]
        for kind in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "thinking"):
            used = sum(getattr(call, f"{kind}_tokens") for call in mine)
            assert value(found, "combine_model_tokens_total", model=model, kind=kind) == used
        spent = sum((call.cost_usd or Decimal(0) for call in mine), Decimal(0))
        assert value(found, "combine_model_cost_usd_total", model=model) == pytest.approx(float(spent), abs=1e-12)


def test_gauges_say_where_everything_stands(scraper: Client) -> None:
    some_work()
    Gate.objects.filter(kind="acceptance").update(due_at=timezone.now() - timedelta(hours=1))
    found = scraped(scraper)
    by_status = Counter(Execution.objects.values_list("status", flat=True))
    for status in ("pending", "running", "waiting_clarification", "waiting_acceptance", "completed", "failed"):
        assert value(found, "combine_executions", status=status) == by_status[status]
    assert value(found, "combine_gates_open", kind="acceptance") == 1
    assert value(found, "combine_gates_overdue", kind="acceptance") == 1
    assert value(found, "combine_gates_overdue", kind="clarification") == 0
    assert value(found, "combine_steps_unfinished", status="waiting_acceptance") == 1
    assert value(found, "combine_workers_alive") >= 1
    assert value(found, "combine_queue_due_jobs") > 0
    assert value(found, "combine_streams_open") == 0


def test_events_lag_only_where_somebody_waits_for_them(scraper: Client) -> None:
    start(single(), project="p1")
    assert value(scraped(scraper), "combine_event_lag_seconds") == 0
    olga = person("olga", "operator")
    create_webhook(actor=olga, project_id="p1", url="https://93.184.216.34/hook", at=timezone.now())
    assert value(scraped(scraper), "combine_event_lag_seconds") > 0


def test_an_empty_system_has_metrics_too(scraper: Client) -> None:
    found = scraped(scraper)
    assert value(found, "combine_executions", status="running") == 0
    assert value(found, "combine_workers_alive") == 0


def test_it_is_for_administrators_and_the_scraper_only(settings: Settings) -> None:
    assert Client().get(URL).status_code == 401
    assert Client(headers={"Authorization": "Bearer wrong"}).get(URL).status_code == 401
    assert Client(headers={"Authorization": f"Bearer {SCRAPER}"}).get(URL).status_code == 401, "no token was set"
    settings.COMBINE_METRICS_TOKEN = SCRAPER
    for header in (f"Bearer {SCRAPER}x", f"Basic {SCRAPER}", "Bearer", "Bearer é"):
        assert Client(headers={"Authorization": header}).get(URL).status_code == 401
    olga = Client()
    olga.force_login(person("olga", "operator"))
    assert olga.get(URL).status_code == 403
    _, token = AuthToken.objects.create(person("olga"))
    assert Client(headers={"Authorization": f"Bearer {token}"}).get(URL).status_code == 403
    root = Client()
    root.force_login(User.objects.create(username="root", is_superuser=True))
    assert root.get(URL).status_code == 200
    assert root.post(URL).status_code == 405


def test_the_number_of_statements_depends_on_the_models_only(scraper: Client) -> None:
    some_work()
    with Counted() as few:
        scraped(scraper)
    drive(start(chain(3), project="p9"))
    with Counted() as many:
        scraped(scraper)
    assert len(few) == len(many) == 9
