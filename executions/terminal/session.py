"""One run of ``run_workflow``: start, follow, settle gates, report."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from executions.engine.state import ExecutionStatus
from executions.models import Execution
from executions.terminal.asking import Asker
from executions.terminal.attending import Attendant, open_gates, waiting_lines
from executions.terminal.display import Display, make_display
from executions.terminal.exits import ExitCode, Stop
from executions.terminal.following import Feed, Standing
from executions.terminal.helpers import Helpers
from executions.terminal.options import Options
from executions.terminal.people import check_can_accept, find_actor
from executions.terminal.rehearsal import print_rehearsal
from executions.terminal.report import print_event, print_object, print_table
from executions.terminal.starting import find_workflow, prepare, rehearse, start
from executions.terminal.wording import clean_lines, listed

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from workflows.models import WorkflowRevision

POLL_SECONDS = 0.1
# As long as the database may be away (a restart, a failover) before following is given up.
DATABASE_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Where data and progress go. ``is_typing`` says whether somebody sits at the standard input."""

    stdout: TextIO
    stderr: TextIO
    is_typing: bool


@dataclass(slots=True)
class Session:
    """The state of one run of the command."""

    options: Options
    streams: Streams
    display: Display
    helpers: Helpers
    execution: Execution | None = None
    feed: Feed | None = None
    attendant: Attendant | None = None
    standing: Standing | None = None
    give_up_at: float | None = None
    database_lost_at: float | None = None

    def begin(self) -> None:
        """Start the execution, and whoever works on it.

        :raises Stop: it cannot be started; nothing was then.
        """
        options, display = self.options, self.display
        revision, actor = self._find()
        self.helpers.tend()
        self.execution = start(options, actor, revision)
        self.feed = Feed(self.execution.pk)
        asker = Asker(display) if options.may_ask and self.streams.is_typing else None
        self.attendant = Attendant(
            actor=actor, book=options.book, accepts_all=options.accepts_all, asker=asker, display=display
        )
        display.note(f"Execution {self.execution.pk} in project {options.project_id}, as {actor.get_username()}")

    def rehearse(self) -> ExitCode:
        """Check all that :meth:`begin` would, and say what such runs have cost. Nothing is started.

        :raises Stop: the execution could not be started.
        """
        revision, actor = self._find()
        estimate = rehearse(self.options, actor, revision)
        print_rehearsal(self.streams.stdout, self.options, revision, estimate)
        return ExitCode.COMPLETED

    def _find(self) -> tuple[WorkflowRevision, User]:
        options, display = self.options, self.display
        prepare(display)
        revision = find_workflow(options.workflow_id, options.revision)
        actor = find_actor(options.user_name)
        if options.accepts_all:
            for limit in check_can_accept(actor, revision.parsed()):
                display.say(f"--accept-all cannot do everything: {limit}. The run will wait there.", "yellow")
        return revision, actor

    def follow(self) -> ExitCode:
        """Show what happens until the execution is over, or only people can go on.

        :raises KeyboardInterrupt: also when the time is up.
        """
        assert self.feed is not None
        assert self.attendant is not None
        while True:
            if self.give_up_at is not None and time.monotonic() > self.give_up_at:
                raise KeyboardInterrupt
            try:
                code = self._turn(self.feed, self.attendant)
                self.database_lost_at = None
            except (OperationalError, InterfaceError) as error:
                code = None
                self._wait_for_database(error)
            if code is not None:
                return code

    def _turn(self, feed: Feed, attendant: Attendant) -> ExitCode | None:
        happenings, standing = feed.poll()
        self.standing = standing
        for happening in happenings:
            if self.options.is_json:
                print_event(self.streams.stdout, happening.to_json())
            self.display.show_event(happening, standing)
        self.display.show_standing(standing)
        if standing.is_over:
            return ExitCode.COMPLETED if standing.status is ExecutionStatus.COMPLETED else ExitCode.FAILED
        may_have_gates = standing.is_waiting or any(each.event_type in _GATE_EVENTS for each in happenings)
        if may_have_gates and attendant.attend(feed.execution_id):
            return None
        if standing.is_waiting and feed.stands_still(standing):
            return ExitCode.WAITING
        self.helpers.tend()
        time.sleep(POLL_SECONDS)
        return None

    def _wait_for_database(self, error: Exception) -> None:
        now = time.monotonic()
        if self.database_lost_at is None:
            self.database_lost_at = now
            self.display.say("The database does not answer; trying again ...", "yellow")
        if now - self.database_lost_at > DATABASE_PATIENCE_SECONDS:
            raise Stop(ExitCode.CONFIGURATION, f"The database has been away for too long: {error}")
        connection.close()
        self.helpers.revive()
        time.sleep(1)

    def finish(self, code: ExitCode) -> None:
        """Say how it ended, and print the documents."""
        self.display.close()
        if code is ExitCode.INTERRUPTED:
            self._explain_interruption()
        if self.execution is None or self.attendant is None or self.standing is None:
            return
        if code is ExitCode.FAILED and self.standing.error_detail:
            first, *rest = clean_lines(self.standing.error_detail)
            self._say(f"{self.standing.error_code}: {first}", *rest)
            if self.standing.status is ExecutionStatus.FAILED:
                self._say(f"It can be retried, finished steps are kept: POST {self._api_url()}/retry")
        if code is ExitCode.WAITING:
            gates = open_gates(self.execution.pk)
            self._say(*waiting_lines(gates, self.attendant.left, base_url=base_url()))
            if self.helpers.pids:
                self._say("Nothing serves these addresses now, unless the site runs elsewhere: manage.py up starts it.")
        unused = self.options.book.unused()
        if unused:
            asked = sorted(self.options.book.asked)
            known = f" Questions were: {listed(asked)}." if asked else " Nothing was asked."
            self._say(f"--answer was not used for {listed(unused)}: no question has that id.{known}")
        if self.options.is_json:
            stdout, assumed = self.streams.stdout, self.attendant.assumed
            print_object(stdout, self.execution, self.standing, assumed=assumed, unused=unused)
        elif code is not ExitCode.INTERRUPTED:
            print_table(self.streams.stdout, self.execution, self.standing)

    def give_up_output(self) -> None:
        """Nobody reads the output any more: end as when interrupted, without writing there again."""
        self.display.close()
        # Python itself would still flush what is left, and fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.streams.stdout.fileno())
        self._explain_interruption()

    def _explain_interruption(self) -> None:
        """Say that the execution goes on, and where to see it."""
        if self.execution is None:
            self._say("Interrupted before anything was started.")
            return
        is_timeout = self.give_up_at is not None and time.monotonic() > self.give_up_at
        what = f"{self.options.timeout:g} s are over" if is_timeout else "Interrupted"
        self._say(f"{what}: execution {self.execution.pk} is not cancelled and goes on.")
        if self.helpers.pids:
            self._say(
                "The worker of this command stops now, so it waits for another: manage.py up, or manage.py worker."
            )
        self._say(f"Follow it:  {base_url()}/admin/executions/execution/{self.execution.pk}/change/")
        self._say(f"By API:     GET {self._api_url()}/events")
        self._say(f"Cancel it:  POST {self._api_url()}/cancel")

    def _api_url(self) -> str:
        assert self.execution is not None
        return f"{base_url()}/api/v1/executions/{self.execution.pk}"

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.streams.stderr.write(line + "\n")
        self.streams.stderr.flush()


_GATE_EVENTS = frozenset({"clarification_needed", "acceptance_needed"})


def run(options: Options, streams: Streams) -> ExitCode:
    """Run the command and return its exit code.

    :raises Stop: it could not be done; the message says why.
    """
    display = make_display(streams.stderr, is_quiet=options.is_quiet, is_live=_is_live(options, streams))
    session = Session(options, streams, display, Helpers(display))
    if options.timeout is not None:
        session.give_up_at = time.monotonic() + options.timeout
    with _signals(), _calm_logs(is_verbose=options.is_verbose):
        try:
            if options.is_rehearsal:
                return session.rehearse()
            session.begin()
            code = session.follow()
            session.finish(code)
        except KeyboardInterrupt:
            code = ExitCode.INTERRUPTED
            session.finish(code)
        except BrokenPipeError:
            code = ExitCode.INTERRUPTED
            session.give_up_output()
        except Stop as stop:
            session.finish(stop.code)
            raise
        finally:
            display.close()
            session.helpers.stop()
    return code


def _is_live(options: Options, streams: Streams) -> bool:
    # Events on the same terminal would be drawn over.
    return not (options.is_json and streams.stdout.isatty())


def base_url() -> str:
    """Return the address of the web process on this machine."""
    host = settings.COMBINE_HOST
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.COMBINE_PORT}"


@contextmanager
def _signals() -> Iterator[None]:
    """Let a request to end do what Ctrl-C does: stop the children, say that the execution goes on."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = [each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _calm_logs(*, is_verbose: bool) -> Iterator[None]:
    """Keep log lines out of the progress, which tells the same; errors are shown."""
    if is_verbose:
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
