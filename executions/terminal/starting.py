"""Everything before an execution exists: tables, workflow packages, the revision, and the start itself."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from documents import database
from executions.exceptions import Conflict, Invalid, NotFound, NotPermitted, TooManyRuns
from executions.models import Execution
from executions.services.estimates import Estimate, rehearse_start
from executions.services.executions import NewExecution, start_execution
from executions.terminal.display import Display
from executions.terminal.exits import ExitCode, Stop
from executions.terminal.options import Options
from executions.terminal.wording import clean, counted, listed
from workflows.exceptions import BadPackage, RevisionNotFound, WorkflowNotFound
from workflows.models import Workflow, WorkflowRevision
from workflows.packages import package_directories
from workflows.services import current_revision, find_revision, load_package

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The number of combine.preparation: of several processes that find no tables, one makes them.
_MIGRATION_LOCK = 7_309_004_002

_OPTIONS = {"/project_id": "--project", "/initial_context": "--brief", "/budget_usd": "--budget"}


def prepare(display: Display) -> None:
    """Make sure that there are tables, and workflows in them.

    :raises Stop: a production database has no tables.
    """
    if not _has_tables():
        if settings.COMBINE_ENV == "production":
            raise Stop(ExitCode.CONFIGURATION, "The database has no tables of The Combine: run manage.py migrate.")
        with _alone(_MIGRATION_LOCK):
            if not _has_tables():
                display.note("The database is new: its tables are made.")
                call_command("migrate", interactive=False, verbosity=0)
    if not Workflow.objects.exists():
        _load_packages(display)


def find_workflow(workflow_id: str, revision: str | None) -> WorkflowRevision:
    """Return the revision to run.

    :raises Stop: there is none; it names what there is.
    """
    try:
        return find_revision(workflow_id, revision) if revision else current_revision(workflow_id)
    except RevisionNotFound as error:
        rows = WorkflowRevision.objects.filter(workflow_id=workflow_id)
        names = list(dict.fromkeys(rows.values_list("revision", flat=True)[:20]))
        raise Stop(ExitCode.NOT_FOUND, f"{error} There are: {listed(names)}.") from error
    except WorkflowNotFound as error:
        names = list(Workflow.objects.order_by("pk").values_list("pk", flat=True))
        close = difflib.get_close_matches(workflow_id[:200], names, n=1)
        hint = f" Do you mean {close[0]}?" if close else ""
        known = f"There are: {listed(names, 20)}." if names else "None is loaded: run manage.py load_workflows DIR."
        raise Stop(ExitCode.NOT_FOUND, f"{error}{hint} {known}") from error


def start(options: Options, actor: User, revision: WorkflowRevision) -> Execution:
    """Start the execution.

    :raises Stop: it is refused; wrong values are named by their options.
    """
    with _refusals(actor):
        return start_execution(actor=actor, revision=revision, new=_asked(options), at=timezone.now())


def rehearse(options: Options, actor: User, revision: WorkflowRevision) -> Estimate | None:
    """Find out whether the execution could be started, and what such runs have cost; start nothing.

    :raises Stop: it would be refused.
    """
    with _refusals(actor):
        return rehearse_start(actor=actor, revision=revision, new=_asked(options), at=timezone.now())


def _asked(options: Options) -> NewExecution:
    return NewExecution(project_id=options.project_id, brief=options.brief, budget_usd=options.budget_usd)


@contextmanager
def _refusals(actor: User) -> Iterator[None]:
    """Turn what the service says against a start into the end of the command."""
    try:
        yield
    except Invalid as error:
        listing = "; ".join(f"{_option(each.path)} {each.detail}" for each in error.errors)
        raise Stop(ExitCode.USAGE, f"Nothing was started: {clean(listing)}.") from error
    except NotFound as error:
        raise Stop(ExitCode.NOT_FOUND, clean(error.detail)) from error
    except (NotPermitted, Conflict, TooManyRuns) as error:
        raise Stop(ExitCode.REFUSED, f"{actor.get_username()}: {clean(error.detail)}") from error


def _option(path: str) -> str:
    """Return the option that a JSON Pointer into the start's body is about."""
    for pointer, option in _OPTIONS.items():
        if path == pointer or path.startswith(f"{pointer}/"):
            place = path.removeprefix(pointer)
            return f"{option} at {place}" if place else option
    return path


def _has_tables() -> bool:
    return database.rows("SELECT to_regclass('executions_event'), to_regclass('procrastinate_jobs')") != [(None, None)]


@contextmanager
def _alone(number: int) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [number])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])


def _load_packages(display: Display) -> None:
    for directory in settings.COMBINE_PACKAGES:
        try:
            for package in package_directories(directory):
                _load_package(package, display)
        except BadPackage as error:
            display.say(f"A workflow package was not loaded: {error}", "yellow")


def _load_package(directory: Path, display: Display) -> None:
    try:
        results = load_package(directory, at=timezone.now())
    except BadPackage as error:
        display.say(f"A workflow package was not loaded: {error}", "yellow")
        return
    loaded = [result.workflow_id for result in results if result.revision is not None and result.workflow_id]
    bad = [result.path for result in results if result.is_bad]
    if loaded:
        display.note(f"Loaded {counted(len(loaded), 'workflow')} from {directory}: {listed(loaded)}")
    if bad:
        display.say(f"Not loaded from {directory}: {listed(bad)} (manage.py validate_workflow says why)", "yellow")
