"""Progress on stderr: plain lines for logs and pipes, a live display for people (``live_display``), or nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from executions.terminal.following import Happening, Standing
from executions.terminal.lines import describe
from executions.terminal.wording import duration


class Display:
    """Shows what happens. This one shows nothing but what must be said: prompts, warnings and errors."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show_event(self, happening: Happening, standing: Standing) -> None:
        """Tell of an event."""

    def show_standing(self, standing: Standing) -> None:
        """Tell where the execution stands."""

    def note(self, text: str) -> None:
        """Tell what is done, for those who want to know."""

    def say(self, text: str = "", style: str = "") -> None:
        """Say what is part of a dialogue, or a warning."""
        self._stream.write(text + "\n")
        self._stream.flush()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep still while somebody types."""
        yield

    def close(self) -> None:
        """Leave the terminal as it was."""


class PlainDisplay(Display):
    """A line per event, with the time since the start."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._is_ascii = not _can_write_symbols(stream)

    def note(self, text: str) -> None:
        self.say(text)

    def say(self, text: str = "", style: str = "") -> None:
        encoding = "ascii" if self._is_ascii else self._stream.encoding or "utf-8"
        super().say(text.encode(encoding, "replace").decode(encoding))

    def show_event(self, happening: Happening, standing: Standing) -> None:
        line = describe(happening)
        if line is None:
            return
        where = f"{line.step} [{line.items}]" if line.items else line.step
        time = duration((happening.timestamp - standing.started_at).total_seconds())
        self.say(f"{time:>7}  {where + ': ' if where else ''}{line.text}")


def make_display(stream: TextIO, *, is_quiet: bool, is_live: bool) -> Display:
    """Return the display for a stream: live only on a terminal that can move its cursor."""
    if is_quiet:
        return Display(stream)
    if is_live and stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and _can_write_symbols(stream):
        # Takes a tenth of a second to import, and only a terminal needs it.
        from executions.terminal.live_display import LiveDisplay  # noqa: PLC0415

        return LiveDisplay(stream)
    return PlainDisplay(stream)


def _can_write_symbols(stream: TextIO) -> bool:
    try:
        "✓…·".encode(stream.encoding or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
