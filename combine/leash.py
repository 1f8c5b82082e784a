"""The leash on which `up` keeps its processes: when it is killed with -9, they end too, and their children.

Run as a script, by `up` only, without anything but the standard library (it must start in milliseconds):

``leash.py child FD PID COMMAND...`` asks the kernel to be killed when the parent dies, tells the guard its process
group through FD, and becomes COMMAND. All that happens before COMMAND runs, so there is no moment in which it is loose.

``leash.py guard`` reads the groups from its standard input. Only `up` (and, for a moment, a child that is not COMMAND
yet) holds the other end: when that closes, the guard kills every group that it knows of. The kernel's signal reaches
the children only; the guard reaches their children, and works where the kernel has no such signal.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def become_child(descriptor: int, parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")
    # A broken pipe: the guard was killed; it is started again, and told.
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, f"+{os.getpid()}\n".encode())
    os.close(descriptor)
    os.execvp(command[0], command)  # noqa: S606 - the command is ours


def guard() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    if sys.argv[1] == "guard":
        guard()
    else:
        become_child(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
