"""Loading the demo: what has to be there first, what may stand in its way, and one transaction for all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone

from combine.demo_data.cast import PEOPLE, gather_people
from combine.demo_data.clock import settable_clock
from combine.demo_data.metering import Meter
from combine.demo_data.month import MONTH
from combine.demo_data.run import Run
from combine.demo_data.stage import Stage
from combine.demo_data.stories import Story
from combine.demo_data.subjects import EXAMPLES, WORKFLOWS, subjects
from combine.demo_data.timetable import working_day
from documents.models import Document
from executions.models import BudgetPeriod, Execution, LLMCall, Project
from executions.models.budget import period_around
from executions.services.budgets import set_budget
from telemetry import rollup
from workflows.models import WorkflowRevision
from workflows.services import load_package

SEED = 1_906
# The budget that is nearly used up: its project, and the share.
BUDGET_PROJECT = "lantern-street"
BUDGET_SHARE = Decimal("0.83")

_FILLED = ("executions", "documents", "telemetry")

# Any number, as long as every host uses the same.
_LOCK = "SELECT pg_try_advisory_xact_lock(7309004003), has_schema_privilege(current_schema(), 'CREATE')"
# The demo had a worker of its own. What is over, or waits for people, needs none.
_FORGET_WAKEUPS = """
DELETE FROM procrastinate_jobs j USING executions_execution e
 WHERE j.status = 'todo' AND j.args->>'execution_id' = e.id::text AND e.id = ANY(%s)
   AND e.status NOT IN ('pending', 'running')
"""


class DemoRefused(Exception):
    """The demo is not loaded; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was made."""

    executions: int
    documents: int
    calls: int
    cost_usd: Decimal
    by_status: Counter[str]


def is_loaded() -> bool:
    """Whether the demo is there: all of its projects are."""
    return Project.objects.filter(pk__in=_project_ids()).count() == len(_project_ids())


def check_place(*, is_forced: bool) -> None:
    """Refuse a place where what is invented would stand among what is real, or be mistaken for it.

    :raises DemoRefused: it is production, or runs of a real model are there, and ``is_forced`` does not say that this
        is meant; or somebody or something is there by the name of one of the demo's.
    """
    _check_names()
    if is_forced:
        return
    again = "If that is what you want, add --force."
    if settings.COMBINE_ENV == "production":
        raise DemoRefused(f"COMBINE_ENV is production: invented runs and costs would stand among real ones. {again}")
    if LLMCall.objects.filter(is_offline=False, status="succeeded").exists():
        raise DemoRefused(f"This database has runs of a real model: invented costs would be added to theirs. {again}")


def load(say: Callable[[str], None]) -> Loaded:
    """Load the demo, all or nothing.

    :raises DemoRefused: another process is loading it or has done so by now, a package cannot be loaded, or the
        database's user may not do what it takes.
    """
    now = timezone.now()
    with transaction.atomic():
        _take_turn()
        _check_names()
        revisions = _revisions(now)
        people = gather_people(with_passwords=settings.COMBINE_ENV == "local")
        say(f"Playing a month of {len(MONTH)} runs; nothing is stored before all of it is done")
        with settable_clock(now) as clock:
            rng = Random(SEED)  # noqa: S311 - the same demo every time
            stage = Stage(clock=clock, rng=rng, until=now, people=people, revisions=revisions, meter=Meter(rng))
            executions = _play(stage)
        rollup.rebuild()
        _set_budget(people["marta"], now)
        _analyze()
        return _loaded(executions)


def _take_turn() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
        is_alone, may_create = cursor.fetchone() or (False, False)
    if not is_alone:
        raise DemoRefused("Another process is loading the demo; wait until it is done.")
    if not may_create:  # see clock.py
        raise DemoRefused("The database's user may not make functions. Load the demo as the user that runs migrations.")


def _analyze() -> None:
    """Tell the planner of so many new rows, as it will find out by itself in a minute: pages are looked at before."""
    models = [model for label in _FILLED for model in apps.get_app_config(label).get_models()]
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(connection.ops.quote_name(model._meta.db_table) for model in models)}")


def _revisions(now: datetime) -> dict[str, WorkflowRevision]:
    """Load the shipped packages as they are, and return their revisions."""
    found: dict[str, WorkflowRevision] = {}
    for name in WORKFLOWS:
        for result in load_package(EXAMPLES / name, at=now):
            if result.is_bad:
                problems = "; ".join(problem.detail for problem in result.problems)
                raise DemoRefused(f"{result.path} of the package {name} cannot be loaded: {problems}")
            if result.revision is not None:
                found[result.revision.workflow_id] = result.revision
    return found


def _play(stage: Stage) -> list[Execution]:
    stage.hire_workers()
    runs = [Run(story, subjects()[story.subject], stage) for story in MONTH]
    for run in runs:
        stage.machine(_begins_at(run.story, stage.until), run.begin)
    stage.play()
    stage.dismiss_workers()
    ids = [run.execution_id for run in runs]
    with connection.cursor() as cursor:
        cursor.execute(_FORGET_WAKEUPS, [ids])
    return list(Execution.objects.filter(pk__in=[each for each in ids if each is not None]))


def _begins_at(story: Story, now: datetime) -> datetime:
    if story.ago is not None:
        return now - story.ago
    return working_day(now, story.days) + timedelta(hours=story.hour)


def _set_budget(actor: User, now: datetime) -> None:
    """Give a project a budget of which :data:`BUDGET_SHARE` is used by now, or one dollar where nothing is used yet."""
    starts_at, _ = period_around(BudgetPeriod.MONTH, now)
    calls = LLMCall.objects.filter(execution__project=BUDGET_PROJECT, started_at__gte=starts_at)
    spent = calls.aggregate(spent=Sum("cost_usd"))["spent"] or BUDGET_SHARE
    set_budget(
        actor=actor,
        project_id=BUDGET_PROJECT,
        workflow_id="",
        period=BudgetPeriod.MONTH.value,
        amount_usd=(spent / BUDGET_SHARE).quantize(Decimal("0.000001")),
        at=now,
    )


def _loaded(executions: list[Execution]) -> Loaded:
    ids = [execution.pk for execution in executions]
    return Loaded(
        executions=len(executions),
        documents=Document.objects.filter(execution_id__in=ids).count(),
        calls=LLMCall.objects.filter(execution__in=ids).count(),
        cost_usd=sum((execution.cost_usd for execution in executions), Decimal(0)),
        by_status=Counter(execution.status for execution in executions),
    )


def _check_names() -> None:
    users = User.objects.filter(username__in=[person.name for person in PEOPLE]).values_list("username", flat=True)
    projects = Project.objects.filter(pk__in=_project_ids()).values_list("pk", flat=True)
    taken = ", ".join([*(f"an account {name}" for name in users), *(f"a project {name}" for name in projects)])
    if taken:
        raise DemoRefused(
            f"The demo makes accounts and projects of its own, but there is {taken} already."
            " Rename the account, or load the demo into a database of its own (another COMBINE_HOME)."
        )


def _project_ids() -> list[str]:
    return sorted({subjects()[story.subject].project_id for story in MONTH})


def planned() -> tuple[int, int, int]:
    """Return how many executions, projects and people the demo brings."""
    return len(MONTH), len(_project_ids()), len(PEOPLE)
