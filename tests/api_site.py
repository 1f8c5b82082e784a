"""A whole site for clients of the API: the real web process, a worker and the offline model, on their own database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connections
from pytest_django import DjangoDbBlocker

from combine.accounts import create_account, create_token
from combine.env import BASE_DIR
from combine.ports import free_port
from tests.acceptance.site import Place
from tests.pages.site import HOST, LiveSite

EXAMPLES = BASE_DIR / "examples"
# Of the product example; whoever has them all can bring a run to its end alone.
ROLES = ("operator", "pm", "architect", "engineering_lead", "ba")


class ApiSite(LiveSite):
    """A live site that works: its worker runs what is started, and the model answers with written samples."""

    def __init__(self, place: Place, blocker: DjangoDbBlocker) -> None:
        super().__init__(place, blocker)
        self._model_port = free_port(HOST)
        self._others: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        model = {"ANTHROPIC_BASE_URL": f"http://{HOST}:{self._model_port}", "ANTHROPIC_API_KEY": "sk-test"}
        return super().environment | model

    def start_web(self) -> None:
        """Start all processes, so that they begin side by side."""
        self.run(call_command, "load_workflows", str(EXAMPLES), verbosity=0)
        arguments = ["--port", str(self._model_port), "--packages", str(EXAMPLES), "--delay", "0.02"]
        self._start("-m", "executions.llm.offline", *arguments)
        self._start("manage.py", "worker", "--concurrency", "20")
        super().start_web()

    def kill_web(self) -> None:
        super().kill_web()
        for process in self._others:
            process.kill()
            process.wait(60)
        self._others.clear()

    def make_account(self, name: str, *roles: str) -> str:
        """Make an account, and return a token of it."""
        self.run(create_account, name=name, password=name, roles=roles or ROLES)
        return self.run(create_token, name=name, days=1)

    def _start(self, *command: str) -> None:
        with (Path(self.log).parent / "others.log").open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=BASE_DIR, env=self.environment, stdout=output, stderr=output
            )
        self._others.append(process)


def a_place(purpose: str) -> Place:
    """Return where a copy of the test database can be made."""
    server = settings.DATABASES["default"]
    connections.close_all()  # a template must not be in use
    # A session that is killed leaves its databases; the next one knows them by this name.
    name = f"test_combine_{os.getpid()}_{purpose}"
    return Place(host=server["HOST"], port=str(server["PORT"]), user=server["USER"], name=name)


@contextmanager
def api_site(purpose: str, blocker: DjangoDbBlocker) -> Iterator[ApiSite]:
    site = ApiSite(a_place(purpose), blocker)
    with site:
        yield site
