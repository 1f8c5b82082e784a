"""The embedded PostgreSQL: started when a command needs a database and DATABASE_URL names none.

Any number of processes may call :func:`ensure_running` at once: under a lock in COMBINE_HOME the first one starts the
server, the others find it. Whether it runs is asked by connecting; a pid in a file proves nothing. The server is
detached, outlives who started it (also a kill -9), and the next command attaches to it.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from combine.postgres_binaries import EmbeddedPostgresError, find_programs, run_program, server_account
from combine.postgres_cluster import (
    check_owner,
    describe_failure,
    make_cluster,
    prepare_directories,
    remove_stale_lock_files,
    rotate_log,
    write_configuration,
)
from combine.postgres_home import DATABASE, PORT, SUPERUSER, PostgresHome, find_postgres_home

CONNECT_TIMEOUT = 2
START_TIMEOUT = 60
STOP_TIMEOUT = 8
LOCK_TIMEOUT = 120
# After a kill -9 the dead server's processes and its memory stay for a second or two, and starting fails meanwhile.
RETRY_TIMEOUT = 10
# A long crash recovery is not a failure as long as the server says that it is at it.
RECOVERY_TIMEOUT = 600

_leases: dict[Path, int] = {}


class Answer(enum.Enum):
    """What connecting tells."""

    READY = enum.auto()
    NO_DATABASE = enum.auto()
    BUSY = enum.auto()  # Starting up, recovering, shutting down, or paused.
    ABSENT = enum.auto()


def ensure_running(home: Path) -> bool:
    """Attach to this home's server, starting it (and making it, the first time) where it does not answer.

    :returns: whether this call started it.
    :raises EmbeddedPostgresError: with the reason and what to do.
    """
    place = find_postgres_home(home)
    with _locked(place):
        _take_lease(place)
        answer = _wait_while_busy(place)
        was_started = answer is Answer.ABSENT
        if was_started:
            answer = _start(place)
        if answer is Answer.NO_DATABASE:
            _create_database(place)
    return was_started


def stop(home: Path) -> bool:
    """Stop this home's server, unless another process uses it.

    :returns: whether it was stopped.
    """
    place = find_postgres_home(home)
    with _locked(place):
        _drop_lease(place)
        if ask(place) is Answer.ABSENT:
            return False
        with _exclusive_use(place) as is_unused:
            if not is_unused:
                return False
            account = server_account()
            run_program(
                find_programs(account) / "pg_ctl",
                *("-D", place.data, "-m", "fast", "-w", "-t", str(STOP_TIMEOUT), "-s", "stop"),
                account=account,
                timeout=STOP_TIMEOUT + 5,
            )
            return ask(place) is Answer.ABSENT


def ask(place: PostgresHome, *, timeout: int = CONNECT_TIMEOUT) -> Answer:
    """Connect, and say what came of it."""
    try:
        _connect(place, DATABASE, timeout).close()
    except psycopg.errors.ConnectionTimeout:
        return Answer.BUSY
    except psycopg.OperationalError as error:
        return _read_refusal(place, str(error))
    return Answer.READY


def _read_refusal(place: PostgresHome, text: str) -> Answer:
    """libpq gives no error code for a refused connection. The server's texts are English, by its locale."""
    if "Permission denied" in text:
        check_owner(place)
        raise EmbeddedPostgresError(f"The database's socket in {place.socket_dir} may not be used: {text.strip()}")
    if "FATAL" not in text:
        return Answer.ABSENT
    if f'database "{DATABASE}" does not exist' in text:
        return Answer.NO_DATABASE
    if any(sign in text for sign in ("starting up", "shutting down", "recovery", "not yet accepting")):
        return Answer.BUSY
    return Answer.READY  # Somebody is at home: "too many clients", for one.


def _connect(place: PostgresHome, database: str, timeout: int) -> psycopg.Connection:
    return psycopg.connect(
        make_conninfo(
            "",
            host=str(place.socket_dir),
            port=PORT,
            user=SUPERUSER,
            dbname=database,
            connect_timeout=timeout,
            application_name="combine starter",
        ),
        autocommit=True,
    )


def _wait_while_busy(place: PostgresHome, seconds: float = RECOVERY_TIMEOUT) -> Answer:
    deadline = time.monotonic() + seconds
    while (answer := ask(place)) is Answer.BUSY:
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL has not accepted connections for {seconds:.0f} s. Its log: {place.log}"
            )
        time.sleep(0.05)
    return answer


def _start(place: PostgresHome) -> Answer:
    account = server_account()
    check_owner(place)
    prepare_directories(place, account)
    programs = find_programs(account)
    make_cluster(place, programs, account)
    write_configuration(place, account)
    rotate_log(place)
    deadline = time.monotonic() + RETRY_TIMEOUT
    while True:
        remove_stale_lock_files(place)
        log_start = place.log.stat().st_size if place.log.exists() else 0
        result = run_program(
            programs / "pg_ctl",
            *("-D", place.data, "-l", place.log, "-w", "-t", str(START_TIMEOUT), "-s", "start"),
            account=account,
            timeout=START_TIMEOUT + 15,
        )
        answer = _wait_while_busy(place)
        if answer is not Answer.ABSENT:
            return answer
        failure = describe_failure(place, log_start, result.stdout)
        if not failure.is_passing or time.monotonic() > deadline:
            raise EmbeddedPostgresError(failure.message)
        time.sleep(0.2)


def _create_database(place: PostgresHome) -> None:
    with (
        _connect(place, SUPERUSER, CONNECT_TIMEOUT) as connection,
        contextlib.suppress(psycopg.errors.DuplicateDatabase),
    ):
        connection.execute(f'CREATE DATABASE "{DATABASE}"')


@contextlib.contextmanager
def _locked(place: PostgresHome) -> Iterator[None]:
    """Hold the home's lock. The kernel drops it with the process, however that ends."""
    try:
        place.home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError as error:
        check_owner(place)
        raise EmbeddedPostgresError(
            f"{error.filename} may not be used by this user: choose another COMBINE_HOME, or set DATABASE_URL."
        ) from error
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"Another process has been starting the embedded PostgreSQL for {LOCK_TIMEOUT} s "
                    f"(it holds {place.lock}). Look at {place.log}, end that process, and try again."
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_lease(place: PostgresHome) -> None:
    """Say, for the rest of this process's life, that it uses the server."""
    if place.users not in _leases:
        descriptor = os.open(place.users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        _leases[place.users] = descriptor


def _drop_lease(place: PostgresHome) -> None:
    descriptor = _leases.pop(place.users, None)
    if descriptor is not None:
        os.close(descriptor)


@contextlib.contextmanager
def _exclusive_use(place: PostgresHome) -> Iterator[bool]:
    descriptor = os.open(place.users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _try_lock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)
