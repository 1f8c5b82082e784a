"""Progress on a terminal: what has happened scrolls by, what is at work stays below."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from executions.terminal.display import Display
from executions.terminal.following import Happening, Standing
from executions.terminal.lines import Line, describe, step_label
from executions.terminal.wording import counted, duration, money

_STEPS_SHOWN = 6
_BEGINS_WORK = frozenset({"step_started", "step_retrying", "clarification_answered"})
_ENDS_WORK = frozenset({"clarification_needed", "acceptance_needed", "step_completed", "step_failed"})


class LiveDisplay(Display):
    """Lines above, a region below that is drawn again several times a second. Colours as NO_COLOR allows."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._standing: Standing | None = None
        self._seen_at = 0.0
        self._at_work: dict[str, float] = {}
        self._spinners: dict[str, Spinner] = {}
        self._live = self._make_live()
        self._live.start()

    def _make_live(self) -> Live:
        return Live(
            get_renderable=self._region,
            console=self._console,
            refresh_per_second=10,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def note(self, text: str) -> None:
        self.say(text, "dim")

    def say(self, text: str = "", style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=False)

    def show_event(self, happening: Happening, standing: Standing) -> None:
        self._note_work(happening)
        line = describe(happening)
        if line is not None and not line.is_passing:
            elapsed = (happening.timestamp - standing.started_at).total_seconds()
            self._console.print(_row(line, elapsed), no_wrap=True, overflow="ellipsis", crop=True)

    def show_standing(self, standing: Standing) -> None:
        self._standing = standing
        self._seen_at = time.monotonic()
        if standing.is_over:
            self._at_work.clear()

    def _note_work(self, happening: Happening) -> None:
        path = happening.path
        if happening.event_type in _BEGINS_WORK:
            self._at_work[path] = time.monotonic()
            self._spinners[path] = Spinner("dots", style="cyan")
        elif happening.event_type in _ENDS_WORK:
            self._at_work.pop(path, None)
            self._spinners.pop(path, None)

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._live.stop()
        try:
            yield
        finally:
            self._live = self._make_live()
            self._live.start()

    def close(self) -> None:
        self._live.stop()

    def _region(self) -> Group:
        """Draw the steps at work and the standing. Called from Rich's own thread too: it reads, and copies first."""
        now = time.monotonic()
        at_work = list(self._at_work.items())
        table = Table.grid(padding=(0, 1))
        for path, since in at_work[:_STEPS_SHOWN]:
            step, items = step_label(path)
            spinner = self._spinners.get(path) or Text(" ")
            name = Text.assemble((f"{step:<24}", "bold"), (f" {items}", "dim"))
            table.add_row(Text(" " * 7), spinner, name, Text(duration(now - since), style="dim"))
        parts: list[Table | Text] = [table] if at_work else []
        if len(at_work) > _STEPS_SHOWN:
            more = len(at_work) - _STEPS_SHOWN
            parts.append(Text(f"{'':10}and {counted(more, 'more step')} at work", style="dim"))
        if self._standing is not None:
            parts.append(self._status_line(self._standing, now))
        return Group(*parts)

    def _status_line(self, standing: Standing, now: float) -> Text:
        elapsed = standing.elapsed + (0 if standing.is_over else now - self._seen_at)
        spent = money(standing.cost_usd)
        if standing.budget_usd is not None:
            spent += f" of {money(standing.budget_usd)}"
        words = standing.status.value.replace("_", " for ")
        done = f"{standing.completed_count} of {counted(standing.step_count, 'step')}"
        return Text.assemble(
            (f"{duration(elapsed):>7}", "dim"), "  ", (words, "bold"), (f" · {done} · {spent}", "dim"), no_wrap=True
        )


def _row(line: Line, elapsed: float) -> Text:
    """Return a line in columns: time, symbol, step, what happened."""
    name = f"{line.step} [{line.items}]" if line.items else line.step
    return Text.assemble(
        (f"{duration(elapsed):>7}", "dim"),
        "  ",
        (line.symbol, line.style),
        " ",
        (f"{name:<24} ", "bold") if name else "",
        (line.text, line.style if line.style.startswith("bold") or line.style == "red" else ""),
        no_wrap=True,
        overflow="ellipsis",
    )
