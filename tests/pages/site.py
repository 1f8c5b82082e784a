"""A site of its own for tests in a browser: a database, the real web process on it, and people who are logged in.

The database is a copy of the test database, so what is written here is committed and seen by the web process, and
nobody else sees it. Django's ORM is used in a thread of the site's own (:meth:`LiveSite.run`): Playwright keeps an
event loop running in the test's thread, where Django refuses to work.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from pytest_django import DjangoDbBlocker

from combine.env import BASE_DIR
from combine.ports import free_port
from tests.acceptance.site import ENOUGH, Place, Worker, number_revisions_apart

P = ParamSpec("P")
T = TypeVar("T")

HOST = "127.0.0.1"


class LiveSite:
    """A context manager. ``start_web`` and ``kill_web`` may be called as often as a test likes: the port stays."""

    def __init__(self, place: Place, blocker: DjangoDbBlocker) -> None:
        self.place = place
        self.port = free_port(HOST)
        self._blocker = blocker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live-site")
        self._directory = tempfile.TemporaryDirectory(prefix="combine-pages-")
        self._web: subprocess.Popen[bytes] | None = None
        self._sessions: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the site's processes."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COMBINE_", "ANTHROPIC_"))}
        return {
            **kept,
            "DJANGO_SETTINGS_MODULE": "combine.settings",
            "DATABASE_URL": self.place.url,
            "COMBINE_HOME": self._directory.name,
            "COMBINE_SECRET_KEY": settings.SECRET_KEY,
            "COMBINE_PORT": str(self.port),
            "COMBINE_DEMO": "0",
            "COMBINE_THROTTLE": "off",
            "COMBINE_LOG_LEVEL": "warning",
        }

    @property
    def log(self) -> Path:
        return Path(self._directory.name) / "web.log"

    def __enter__(self) -> LiveSite:
        self.place.create(settings.DATABASES["default"]["NAME"])
        self.run(self._connect)
        self.start_web()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_web()
        self.run(_disconnect)
        self._thread.shutdown()
        self.place.drop()
        self._directory.cleanup()

    def run(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``act`` where Django's connection is the site's."""

        def unblocked() -> T:
            with self._blocker.unblock():
                return act(*args, **kwargs)

        return self._thread.submit(unblocked).result()

    def start_web(self) -> None:
        """Start ``manage.py web`` and wait until it answers."""
        with self.log.open("ab") as output:
            self._web = subprocess.Popen(
                [sys.executable, "manage.py", "web"], cwd=BASE_DIR, env=self.environment, stdout=output, stderr=output
            )
        deadline = time.monotonic() + ENOUGH
        while not self._answers():
            if self._web.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the web process does not answer:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def kill_web(self) -> None:
        if self._web is not None:
            self._web.kill()
            self._web.wait(60)
            self._web = None

    @contextmanager
    def at_work(self, **environment: str) -> Iterator[None]:
        """Have a worker at work while the block lasts; it is told ``environment`` beside what all processes are."""
        worker = Worker({**self.environment, **environment}, Path(self._directory.name) / "worker.log", 20)
        try:
            yield
        finally:
            worker.send(signal.SIGTERM)
            worker.end()

    def session_of(self, name: str) -> str:
        """Return the session cookie of a person who has logged in."""
        if name not in self._sessions:
            self._sessions[name] = self.run(_log_in, name)
        return self._sessions[name]

    def give_password(self, name: str, password: str) -> None:
        """Let somebody log in by hand. The web process knows other hashers than the tests; this one both can read."""
        User.objects.filter(username=name).update(password=PBKDF2PasswordHasher().encode(password, "salt", 1000))
        self._sessions.pop(name, None)

    def _connect(self) -> None:
        place = {"HOST": self.place.host, "PORT": self.place.port, "USER": self.place.user, "NAME": self.place.name}
        connection.close()
        connection.settings_dict = {**connection.settings_dict, **place}
        number_revisions_apart()

    def _answers(self) -> bool:
        try:
            client = http.client.HTTPConnection(HOST, self.port, timeout=2)
            client.request("GET", "/livez")
            return client.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def _disconnect() -> None:
    connection.close()


def _log_in(name: str) -> str:
    user = User.objects.get(username=name)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    assert session.session_key is not None
    return session.session_key
