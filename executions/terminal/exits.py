"""How ``run_workflow`` ends: its exit codes, and the exception that carries one."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    COMPLETED = 0
    FAILED = 1  # or cancelled
    USAGE = 2
    WAITING = 3  # for a person
    NOT_FOUND = 4
    REFUSED = 5
    CONFIGURATION = 6
    INTERRUPTED = 130  # the execution goes on


class Stop(Exception):
    """The command ends here, with a code and a text for people."""

    def __init__(self, code: ExitCode, message: str) -> None:
        self.code = code
        super().__init__(message)
