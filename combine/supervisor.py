"""Runs processes side by side: one log, started again when they end, stopped in order.

A process that ends is always started again, whatever its exit code: the job queue's worker ends with 0 when it loses
the database. One thread, one loop over the children's output, their ends and our signals.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType

from combine.supervised import Child, ChildSpec, Guard

TICK_SECONDS = 0.2
_COLOURS = (36, 32, 35, 33, 34, 92, 95, 96)
_OWN_NAME = "up"


class Log:
    """Writes prefixed lines to stdout, coloured on a terminal. A reader that goes away stops the log, not the work."""

    def __init__(self) -> None:
        self._is_open = True
        self._is_coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._colours: dict[str, int] = {_OWN_NAME: 90}

    def write(self, text: str, *, name: str = _OWN_NAME) -> None:
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        prefix = f"{name:<8} |"
        if self._is_coloured:
            prefix = f"\033[{colour}m{prefix}\033[0m"
        self.write_plain("\n".join(f"{prefix} {line}" for line in text.splitlines() or [""]))

    def write_plain(self, text: str) -> None:
        if self._is_open:
            try:
                sys.stdout.write(text + "\n")
                sys.stdout.flush()
            except OSError:
                self._is_open = False


class Supervisor:
    """Keeps the children of ``specs`` running until SIGINT, SIGTERM or SIGHUP."""

    def __init__(self, specs: list[ChildSpec], log: Log, *, on_tick: Callable[[], None] = lambda: None) -> None:
        self.children = [Child(spec) for spec in specs]
        self._log = log
        self._on_tick = on_tick
        self._guard = Guard()
        self._selector = selectors.DefaultSelector()
        self._stop_signals = 0
        self._is_stopping = False

    def run(self) -> None:
        """Run until told to stop; return when every child is gone."""
        wake_reading, wake_writing = socket.socketpair()
        wake_reading.setblocking(False)
        wake_writing.setblocking(False)
        previous_wake = signal.set_wakeup_fd(wake_writing.fileno(), warn_on_full_buffer=False)
        previous = self._install_handlers()
        self._selector.register(wake_reading, selectors.EVENT_READ)
        try:
            while not self._stop_signals:
                self._start_due_children()
                self._turn()
                self._on_tick()
            self._stop_all()
        finally:
            self._kill_all()
            self._guard.close()
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_wake)
            self._selector.close()
            wake_reading.close()
            wake_writing.close()

    def _install_handlers(self) -> dict[signal.Signals, signal._HANDLER]:
        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stop_signals += 1

        def note(_number: int, _frame: FrameType | None) -> None:
            """Needed only so that the signal wakes the loop."""

        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means it.
            numbers.append(signal.SIGHUP)
        previous = {number: signal.signal(number, stop) for number in numbers}
        previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, note)
        return previous

    def _start_due_children(self) -> None:
        running = [child.process.pid for child in self.children if child.process is not None]
        self._guard.ensure_running(running)
        now = time.monotonic()
        for child in self.children:
            if child.start_at is not None and child.start_at <= now:
                self._selector.register(child.start(self._guard), selectors.EVENT_READ, child)

    def _turn(self) -> None:
        """Wait for something to happen, pass output on, and notice ends."""
        for key, _ in self._selector.select(timeout=TICK_SECONDS):
            if isinstance(key.data, Child):
                self._pass_on(key.data)
            elif isinstance(key.fileobj, socket.socket):
                key.fileobj.recv(4096)
        for child in self.children:
            if child.process is not None and (code := child.reap(self._guard)) is not None:
                self._put_away(child, code)

    def _pass_on(self, child: Child) -> bool:
        """Log what the child wrote.

        :returns: whether there may be more.
        """
        lines, is_end = child.read_lines()
        for line in lines:
            self._log.write(line, name=child.spec.name)
        if is_end and child.process is not None and child.process.stdout is not None:
            self._unregister(child)
        return bool(lines) and not is_end

    def _unregister(self, child: Child) -> None:
        if child.process is not None and child.process.stdout is not None:
            descriptor = child.process.stdout.fileno()
            if descriptor in self._selector.get_map():
                self._selector.unregister(descriptor)

    def _put_away(self, child: Child, code: int) -> None:
        while self._pass_on(child):
            pass
        self._unregister(child)
        child.close()
        if not self._is_stopping and child.start_at is not None:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            delay = max(child.start_at - time.monotonic(), 0)
            self._log.write(f"{child.spec.name} {how}; starting it again in {delay:.1f} s")

    def _stop_all(self) -> None:
        """Stop the children rank by rank; a second signal, or time running out, kills."""
        self._is_stopping = True
        asked = self._stop_signals
        for rank in sorted({child.spec.stop_rank for child in self.children}):
            of_rank = [child for child in self.children if child.spec.stop_rank == rank and child.is_running]
            for child in of_rank:
                child.terminate()
            deadline = time.monotonic() + max((child.spec.stop_seconds for child in of_rank), default=0)
            while any(child.is_running for child in of_rank):
                if time.monotonic() > deadline or self._stop_signals > asked:
                    for child in of_rank:
                        child.send(signal.SIGKILL)
                self._turn()

    def _kill_all(self) -> None:
        for child in self.children:
            child.send(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()
                child.close()
