from __future__ import annotations

import http.client
import os
import signal
import sys
import threading
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from combine import demo, offline_model
from combine.database import ensure_database, is_embedded, stop_database
from combine.env import BASE_DIR
from combine.ports import browser_host, port_in_use_message, port_problem
from combine.postgres_binaries import EmbeddedPostgresError
from combine.preparation import load_packages, migrate_if_needed, unapplied_migration_count, wait_for_database
from combine.supervised import ChildSpec
from combine.supervisor import Log, Supervisor

DATABASE_WATCH_SECONDS = 2.0
SLOW_START_SECONDS = 30.0


class DatabaseWatch(threading.Thread):
    """Starts the embedded PostgreSQL again if it ends; everything else connects again by itself."""

    def __init__(self, log: Log) -> None:
        super().__init__(name="database-watch", daemon=True)
        self._log = log
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(DATABASE_WATCH_SECONDS):
            try:
                if ensure_database():
                    self._log.write("PostgreSQL had ended; it was started again")
            except EmbeddedPostgresError as problem:
                self._log.write(f"PostgreSQL: {problem}")

    def stop(self) -> None:
        self._stopping.set()
        self.join(timeout=DATABASE_WATCH_SECONDS)


class Announcement:
    """Prints the banner once the web process answers."""

    def __init__(self, log: Log, banner: str) -> None:
        self._log = log
        self._banner = banner
        self._is_done = False
        self._warn_at = time.monotonic() + SLOW_START_SECONDS

    def on_tick(self) -> None:
        if self._is_done:
            return
        if self._answers():
            self._is_done = True
            self._log.write_plain(self._banner)
        elif time.monotonic() > self._warn_at:
            self._warn_at += SLOW_START_SECONDS
            self._log.write("The web process does not answer yet; its own lines above say why")

    def _answers(self) -> bool:
        host = settings.COMBINE_HOST if settings.COMBINE_HOST not in ("0.0.0.0", "::") else "localhost"  # noqa: S104
        connection = http.client.HTTPConnection(host, settings.COMBINE_PORT, timeout=1)
        try:
            # Any answer will do: what is asked is whether somebody is at home.
            connection.request("GET", "/livez", headers={"Host": settings.ALLOWED_HOSTS[0].lstrip(".")})
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True


class Command(BaseCommand):
    help = "Run everything: PostgreSQL (unless DATABASE_URL is set), web, workers, and a model offline without a key."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-migrate", action="store_true", help="do not bring the database's tables up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        # Until the supervisor takes the signals over: an end in the middle of the preparation is orderly, too.
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
        try:
            self._run(Log(), is_migrating=not options["no_migrate"])
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGINT)

    def _run(self, log: Log, *, is_migrating: bool) -> None:
        self._refuse_what_cannot_work()
        try:
            was_started = ensure_database()
        except EmbeddedPostgresError as problem:
            raise CommandError(str(problem)) from problem
        if is_embedded():
            log.write(f"PostgreSQL {'started' if was_started else 'found running'}")
        try:
            token = self._prepare(log, is_migrating=is_migrating)
            connections.close_all()
            self._supervise(log, token)
        finally:
            connections.close_all()
            if was_started:
                log.write("PostgreSQL stopped" if stop_database() else "PostgreSQL stays: another process uses it")
            elif is_embedded():
                log.write("PostgreSQL stays: it ran before this")

    def _refuse_what_cannot_work(self) -> None:
        host, port = settings.COMBINE_HOST, settings.COMBINE_PORT
        if settings.ENV.is_production and settings.ANTHROPIC_API_KEY is None and settings.ANTHROPIC_BASE_URL is None:
            raise CommandError("ANTHROPIC_API_KEY is not set, and the offline model is refused in production: set it.")
        # A killed predecessor's port may need a moment.
        if problem := port_problem(host, port, patience=1.0):
            raise CommandError(port_in_use_message(host, port, problem))

    def _prepare(self, log: Log, *, is_migrating: bool) -> str | None:
        wait_for_database(log.write)
        if is_migrating:
            migrate_if_needed(log.write)
        elif count := unapplied_migration_count():
            log.write(f"{count} migrations are not applied: run manage.py migrate. Until then no packages are loaded")
            return None
        load_packages(log.write)
        return demo.ensure_demo(log.write) if settings.COMBINE_DEMO else None

    def _supervise(self, log: Log, token: str | None) -> None:
        announcement = Announcement(log, banner(token))
        supervisor = Supervisor(child_specs(), log, on_tick=announcement.on_tick)
        watch = DatabaseWatch(log) if is_embedded() else None
        if watch:
            watch.start()
        try:
            supervisor.run()
        finally:
            if watch:
                watch.stop()


def child_specs() -> list[ChildSpec]:
    """The processes of one installation, in the order they are started."""
    manage = (sys.executable, str(BASE_DIR / "manage.py"))
    environment = {}
    specs = []
    if settings.COMBINE_OFFLINE_MODEL:
        port = settings.ENV.offline_model_port or offline_model.choose_port(
            settings.COMBINE_HOME, preferred=settings.ENV.derived_offline_port
        )
        environment["COMBINE_OFFLINE_MODEL_PORT"] = str(port)
        packages = ":".join(str(directory) for directory in settings.COMBINE_PACKAGES)
        command = (sys.executable, "-m", "executions.llm.offline", "--port", str(port), "--packages", packages)
        specs.append(
            ChildSpec(
                name="model",
                command=command,
                environment={
                    "PYTHONPATH": os.pathsep.join([str(BASE_DIR), *filter(None, [os.environ.get("PYTHONPATH")])])
                },
                stop_rank=1,
                stop_seconds=1.0,
            )
        )
    specs.append(ChildSpec(name="web", command=(*manage, "web"), environment=environment))
    for number in range(1, settings.COMBINE_WORKERS + 1):
        name = "worker" if settings.COMBINE_WORKERS == 1 else f"worker{number}"
        specs.append(ChildSpec(name=name, command=(*manage, "worker"), environment=environment))
    return specs


def banner(token: str | None) -> str:
    """What a person needs to know when everything runs."""
    url = f"http://{browser_host(settings.COMBINE_HOST)}:{settings.COMBINE_PORT}"
    lines = ["", f"  The Combine is running at {url}", f"  Staff pages (admin):       {url}/admin/"]
    lines.append(f"  API and its documentation: {url}/api/v1/docs")
    if settings.COMBINE_OFFLINE_MODEL:
        lines.append("  The model is offline: documents are samples. Set ANTHROPIC_API_KEY for real ones.")
    if token is not None:
        lines += ["", "  Log in (name and password are the same):"]
        lines += [f"    {account.name:<10} {account.purpose}" for account in demo.ACCOUNTS]
        lines += ["", f"  API token of {demo.DEMO_USER}: {token}"]
        lines.append(f'  Try: curl -H "Authorization: Bearer {token}" {url}/api/v1/executions')
    return "\n".join([*lines, "", "  Ctrl-C stops everything.", ""])
