"""What `up` does before it serves: the database's tables, and the workflow packages."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

Say = Callable[[str], None]

# Any number, as long as every host uses the same.
_MIGRATION_LOCK = 7_309_004_002
_MIGRATION_PATIENCE = 300
_DATABASE_PATIENCE = 60


def wait_for_database(say: Say) -> None:
    """Wait until the database accepts connections: on other machines it may start after us.

    :raises CommandError: if it does not within a minute.
    """
    deadline = time.monotonic() + _DATABASE_PATIENCE
    is_told = False
    while True:
        try:
            connection.ensure_connection()
        except OperationalError as error:
            if time.monotonic() > deadline:
                raise CommandError(f"The database of DATABASE_URL cannot be reached: {str(error).strip()}") from error
            if not is_told:
                say(f"Waiting for the database: {str(error).strip()}")
                is_told = True
            time.sleep(1)
        else:
            return


def unapplied_migration_count() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def migrate_if_needed(say: Say) -> None:
    """Bring the tables up to date. Of several hosts that start at once one does it, the others wait."""
    if not unapplied_migration_count():
        return
    with _migration_lock():
        if count := unapplied_migration_count():
            say(f"Applying {count} migrations")
            call_command("migrate", interactive=False, verbosity=0)


@contextmanager
def _migration_lock() -> Iterator[None]:
    deadline = time.monotonic() + _MIGRATION_PATIENCE
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [_MIGRATION_LOCK])
            if cursor.fetchone() == (True,):
                break
            if time.monotonic() > deadline:
                raise CommandError(f"Another process has been migrating for {_MIGRATION_PATIENCE} s; try again later.")
            time.sleep(0.5)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])


def load_packages(say: Say) -> None:
    """Load the workflow packages. What cannot be loaded is told, and does not stop the start."""
    directories = [str(directory) for directory in settings.COMBINE_PACKAGES]
    if not directories:
        return
    output = io.StringIO()
    failure = ""
    # What the loader logs is what it also prints.
    logging.disable(logging.INFO)
    try:
        call_command("load_workflows", *directories, stdout=output, stderr=output, no_color=True)
    except CommandError as error:
        failure = str(error)
    except SystemExit as error:
        failure = "" if error.code in (0, None) else "Some workflows could not be loaded"
    finally:
        logging.disable(logging.NOTSET)
    for line in [*output.getvalue().splitlines(), *failure.splitlines()]:
        if line.strip():
            say(line)
