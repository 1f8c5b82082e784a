"""Processes that live as long as the one that starts them, also when that one is killed with -9.

This file is a module and a program. As a program, ``children.py PID COMMAND...``, it asks the kernel to be killed
when its parent dies, and becomes COMMAND; it needs nothing but the standard library, so that it does so within
milliseconds. (Doing the same between fork and exec would run Python code in a copy of a process with threads.)
Only Linux has that signal; elsewhere the children end with the command unless it is killed with -9.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1
_LAST_WORDS_BYTES = 2_000


def become(parent: int, command: list[str]) -> None:
    """Turn this process into ``command``, tied to its parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")
    os.execvp(command[0], command)  # noqa: S606 - the command is ours


class Child:
    """One process on the leash. Its output is kept aside, for the case that it ends unexpectedly.

    It must be started by the main thread: the kernel counts a thread as the parent.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], *, stop_seconds: float) -> None:
        self.name = name
        self._command = command
        self._environment = {**os.environ, **environment}
        self._stop_seconds = stop_seconds
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it, or start it again; what it wrote before is forgotten."""
        self._output.seek(0)
        self._output.truncate()
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *self._command],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,  # Ctrl-C is for the command, which stops them in order
        )

    def last_words(self) -> str:
        """Return the end of what it wrote."""
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(size - _LAST_WORDS_BYTES, 0))
        return self._output.read().decode("utf-8", "replace").strip()

    def ask_to_stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """Wait until it has ended, as long as it may take; then end it, and whatever it started."""
        process = self._process
        if process is None:
            return
        self.ask_to_stop()
        try:
            process.wait(timeout=self._stop_seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._process = None

    def close(self) -> None:
        self.stop()
        self._output.close()


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
