"""One process under supervision, and the guard that outlives a killed supervisor."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
# Isolated from the environment and without site-packages: a few milliseconds.
_LEASH_COMMAND = (sys.executable, "-I", "-S", str(LEASH))

FIRST_BACKOFF = 0.2
LONGEST_BACKOFF = 15.0
STEADY_AFTER = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """What to run. Children of the lowest ``stop_rank`` are stopped first, each rank within its ``stop_seconds``."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_rank: int = 0
    stop_seconds: float = 7.0


class Guard:
    """The process that ends the children's process groups when this one is gone."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    @property
    def pipe(self) -> int:
        """The end to hand to a child, which writes its own process group into it."""
        return self._pipe

    def ensure_running(self, groups: Iterable[int]) -> None:
        """Start the guard, also again if it was killed, and tell it of the groups that exist."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        reading, self._pipe = os.pipe()
        self._process = subprocess.Popen(
            [*_LEASH_COMMAND, "guard"], stdin=reading, stdout=subprocess.DEVNULL, start_new_session=True
        )
        os.close(reading)
        for group in groups:
            os.write(self._pipe, f"+{group}\n".encode())

    def forget(self, group: int) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, f"-{group}\n".encode())

    def close(self) -> None:
        if self._process is not None:
            os.close(self._pipe)
            self._process.wait()
            self._process = None


class Child:
    """A process that is started again whenever it ends, until it is told to stop."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.process: subprocess.Popen[bytes] | None = None
        self.start_at: float | None = time.monotonic()
        self._started_at = 0.0
        self._backoff = FIRST_BACKOFF
        self._unfinished = b""

    @property
    def is_running(self) -> bool:
        return self.process is not None

    def start(self, guard: Guard) -> int:
        """Start it on the leash.

        :returns: the descriptor to read its output from.
        """
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self.spec.environment}
        self.process = subprocess.Popen(
            [*_LEASH_COMMAND, "child", str(guard.pipe), str(os.getpid()), *self.spec.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=(guard.pipe,),
            start_new_session=True,  # Ctrl-C in a terminal is for the supervisor, which stops them in order.
        )
        self._started_at = time.monotonic()
        self.start_at = None
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        return self.process.stdout.fileno()

    def reap(self, guard: Guard) -> int | None:
        """If it ended: end what it left behind, plan the next start, and return its exit code."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        self.send(signal.SIGKILL)
        guard.forget(self.process.pid)
        now = time.monotonic()
        if now - self._started_at > STEADY_AFTER:
            self._backoff = FIRST_BACKOFF
        self.start_at = now + self._backoff
        self._backoff = min(self._backoff * 2, LONGEST_BACKOFF)
        return code

    def close(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None

    def send(self, number: signal.Signals) -> None:
        """Signal it and everything that it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def terminate(self) -> None:
        """Ask it, and it alone, to end: its own children are its own to end."""
        if self.process is not None:
            self.process.terminate()

    def read_lines(self) -> tuple[list[str], bool]:
        """What it has written, in whole lines, and whether that was the end."""
        if self.process is None or self.process.stdout is None:
            return [], True
        try:
            chunk = os.read(self.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return [], False
        *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
        if self._unfinished and (not chunk or len(self._unfinished) > 65536):
            lines.append(self._unfinished)
            self._unfinished = b""
        return [line.decode("utf-8", "replace").rstrip("\r") for line in lines], not chunk
