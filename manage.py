#!/usr/bin/env python
"""Every command of The Combine: ``manage.py help`` lists them, ``manage.py up`` runs everything."""

from __future__ import annotations

import os
import sys

try:
    from django.conf import settings
    from django.core.management import execute_from_command_line
    from django.db import connections
except ModuleNotFoundError:
    sys.exit("Django is not installed for this Python: run `make run` once, then use .venv/bin/python manage.py ...")

from combine.database import ensure_database, stop_database
from combine.env import EnvironmentProblem
from combine.postgres_binaries import EmbeddedPostgresError

# These look at files and code only. `up` starts the database itself, to report on it and to stop it in the end.
WITHOUT_DATABASE = frozenset(
    {
        *("check", "collectstatic", "compilemessages", "diffsettings", "findstatic", "help", "makemessages"),
        *("spectacular", "startapp", "startproject", "test", "testserver", "up", "validate_workflow", "version"),
    }
)


def needs_database(arguments: list[str]) -> bool:
    is_asking = any(argument in {"-h", "--help", "--version"} for argument in arguments)
    return bool(arguments) and not is_asking and arguments[0] not in WITHOUT_DATABASE


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "combine.settings")
    try:
        settings.INSTALLED_APPS  # noqa: B018 - reads the environment, so that its problems are told without a traceback
        was_started = needs_database(sys.argv[1:]) and ensure_database()
    except (EnvironmentProblem, EmbeddedPostgresError) as problem:
        sys.exit(str(problem))
    try:
        execute_from_command_line(sys.argv)
    finally:
        if was_started:
            leave_database()


def leave_database() -> None:
    """Stop the server that this command started, unless somebody else has come to use it."""
    connections.close_all()
    try:
        stop_database()
    except EmbeddedPostgresError as problem:
        sys.stderr.write(f"{problem}\n")


if __name__ == "__main__":
    main()
