"""The files of the embedded server: directories, the data directory, its configuration, its locks and its log."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from combine.postgres_binaries import (
    MAJOR_VERSION,
    EmbeddedPostgresError,
    ServerAccount,
    account_name,
    make_root_parent,
    run_program,
    server_account,
)
from combine.postgres_home import PORT, PostgresHome, is_reachable_by_nobody, root_parent

INITDB_TIMEOUT = 120
LOG_SIZE_LIMIT = 10_000_000
LOG_LINES_SHOWN = 8
CONFIGURATION = "combine.conf"

# Durability is PostgreSQL's own (fsync, full_page_writes, synchronous_commit stay on); the rest fits one machine with
# many short transactions. Statements are not logged: they hold documents.
_CONFIGURATION = """\
# Written by The Combine at every start. To change a setting for good, use ALTER SYSTEM, which wins over this file.
listen_addresses = ''
port = {port}
unix_socket_directories = {socket_dir}
unix_socket_permissions = 0700
max_connections = 200
fsync = on
full_page_writes = on
synchronous_commit = on
shared_buffers = 128MB
max_wal_size = 1GB
checkpoint_timeout = 15min
wal_compression = on
random_page_cost = 1.1
jit = off
autovacuum_naptime = 15s
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] '
log_min_error_statement = panic
"""

# Failures that pass by themselves within seconds of a kill -9.
_PASSING = re.compile(r"pre-existing shared memory|lock file .* already exists|Is another postmaster|could not lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFailure:
    message: str
    is_passing: bool


def check_owner(place: PostgresHome) -> None:
    """Refuse a database that another account made: the server could not read it, and must not be given it silently.

    :raises EmbeddedPostgresError: naming both accounts.
    """
    account = server_account()
    for path in (place.data, place.base):
        try:
            owner = path.stat().st_uid
        except FileNotFoundError:
            continue
        except PermissionError:
            owner = None
        if owner == account.uid:
            continue
        whose = "another account" if owner is None else f"the account {account_name(owner)}"
        me = account_name(os.geteuid())
        note = f" (whose server runs as {account_name(account.uid)})" if account.is_root_run else ""
        raise EmbeddedPostgresError(
            f"The database in {place.base} belongs to {whose}; this command runs as {me}{note}. Run it as the account "
            "that started The Combine first, or choose another COMBINE_HOME, or set DATABASE_URL."
        )


def prepare_directories(place: PostgresHome, account: ServerAccount) -> None:
    """Make what the server needs, opening nothing but our own home (its search bit, for root's server)."""
    try:
        if account.is_root_run:
            _open_home(place)
        for directory in dict.fromkeys((place.base, place.socket_dir)):
            _make_private(directory, account)
        if place.is_elsewhere and not place.data.exists():
            sys.stderr.write(
                f"{place.home} is out of reach of the unprivileged user the database runs as: "
                f"its data will be in {place.base}\n"
            )
    except PermissionError as error:
        raise EmbeddedPostgresError(
            f"{error.filename} cannot be made or changed by {account_name(os.geteuid())}: choose another COMBINE_HOME, "
            "or set DATABASE_URL."
        ) from error
    except OSError as error:
        raise EmbeddedPostgresError(
            f"{error.filename or place.base}: {error.strerror}. {_advice(str(error))}"
        ) from error


def _open_home(place: PostgresHome) -> None:
    needs_root_parent = root_parent() in (*place.base.parents, *place.socket_dir.parents)
    if needs_root_parent:
        parent = make_root_parent()
        for directory in (place.base, place.socket_dir.parent):
            if directory.parent == parent:
                directory.mkdir(mode=0o755, exist_ok=True)
    if place.is_elsewhere:
        return
    mode = place.home.stat().st_mode
    if not mode & stat.S_IXOTH and place.home.stat().st_uid == 0:
        place.home.chmod(stat.S_IMODE(mode) | stat.S_IXOTH | stat.S_IXGRP)
    if not is_reachable_by_nobody(place.home):
        raise EmbeddedPostgresError(
            f"{place.home} holds a database, but a directory above it is now closed to the unprivileged user the "
            "database runs as: open it again (chmod o+x), or choose another COMBINE_HOME."
        )


def _make_private(directory: Path, account: ServerAccount) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (account.uid, os.geteuid()):
        raise EmbeddedPostgresError(
            f"{directory} belongs to {account_name(status.st_uid)} and cannot be used for the database: remove it."
        )
    account.give(directory, 0o700)


def make_cluster(place: PostgresHome, programs: Path, account: ServerAccount) -> None:
    """Make the data directory, if there is none. A rename ends it: a kill in the middle leaves nothing half made."""
    for leftover in place.base.glob("data.new-*"):
        # An initdb whose starter was killed may still be writing into it: what is left then goes the next time.
        shutil.rmtree(leftover, ignore_errors=True)
    if place.data.exists():
        _check_version(place)
        return
    scratch = place.base / f"data.new-{secrets.token_hex(4)}"
    result = run_program(
        programs / "initdb",
        *("-D", scratch, "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"),
        account=account,
        timeout=INITDB_TIMEOUT,
    )
    if result.returncode != 0:
        shutil.rmtree(scratch, ignore_errors=True)
        raise EmbeddedPostgresError(f"The database could not be made. {_explain(result.stdout)}")
    with (scratch / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"\ninclude_if_exists = '{CONFIGURATION}'\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(place.data)
    _sync_directory(place.base)


def _check_version(place: PostgresHome) -> None:
    try:
        version = (place.data / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise EmbeddedPostgresError(
            f"{place.data} is no PostgreSQL data directory (it has no PG_VERSION). Move it away, or choose another "
            "COMBINE_HOME."
        ) from None
    if version != MAJOR_VERSION:
        raise EmbeddedPostgresError(
            f"The data in {place.data} is of PostgreSQL {version}, this version brings {MAJOR_VERSION}. Dump it with "
            f"PostgreSQL {version} and restore it, or choose another COMBINE_HOME, or set DATABASE_URL."
        )


def write_configuration(place: PostgresHome, account: ServerAccount) -> None:
    """Write our settings, at every start: the home may have moved, and with it the socket."""
    # A list of directories inside a string: a path with a space or a comma needs both kinds of quotes.
    quoted = str(place.socket_dir).replace('"', '""').replace("\\", "\\\\").replace("'", "''")
    text = _CONFIGURATION.format(port=PORT, socket_dir=f"'\"{quoted}\"'")
    scratch = place.data / f"{CONFIGURATION}.new"
    try:
        scratch.write_text(text, encoding="utf-8")
        account.give(scratch, 0o600)
        scratch.rename(place.data / CONFIGURATION)
    except OSError as error:
        raise EmbeddedPostgresError(f"{error.filename}: {error.strerror}. {_advice(str(error))}") from error


def rotate_log(place: PostgresHome) -> None:
    if place.log.exists() and place.log.stat().st_size > LOG_SIZE_LIMIT:
        place.log.replace(place.log.with_suffix(".log.1"))


def remove_stale_lock_files(place: PostgresHome) -> None:
    """Remove the lock files of a dead server where PostgreSQL itself would not.

    It takes the pid in them for a living server when that pid is a zombie that nobody reaps (PID 1 of many
    containers), or belongs to another program since a restart of the container. Only where /proc shows that no process
    works in the data directory is that certain; elsewhere nothing is removed.
    """
    lock_files = (place.data / "postmaster.pid", place.socket_dir / f".s.PGSQL.{PORT}.lock")
    if not Path("/proc/self/stat").exists() or not any(file.exists() for file in lock_files):
        return
    if _has_process_in(place.data):
        return
    for file in lock_files:
        if (pid := _pid_in(file)) is not None and Path(f"/proc/{pid}").exists():
            file.unlink(missing_ok=True)


def _pid_in(file: Path) -> int | None:
    try:
        return abs(int(file.read_text(encoding="ascii").split("\n", 1)[0]))
    except (OSError, ValueError):
        return None


def _has_process_in(directory: Path) -> bool:
    """Every process of a server works in its data directory; a zombie works nowhere."""
    target = os.path.realpath(directory)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "cwd") == target:
                    return True
            except OSError:
                continue
    return False


def describe_failure(place: PostgresHome, log_start: int, output: str) -> StartFailure:
    """Say why the server did not start, from what it wrote to its log since ``log_start``."""
    try:
        with place.log.open("rb") as file:
            file.seek(log_start)
            log = file.read(200_000).decode("utf-8", "replace")
    except OSError:
        log = ""
    text = log or output
    message = f"The embedded PostgreSQL did not start. {_explain(text)} (whole log: {place.log})"
    return StartFailure(message=message, is_passing=bool(_PASSING.search(text)))


def _explain(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    last = "\n  ".join(lines[-LOG_LINES_SHOWN:]) or "(it said nothing)"
    return f"{_advice(text)} It said:\n  {last}".strip()


def _advice(text: str) -> str:
    if "No space left on device" in text:
        return "The disk is full: make room, then try again; nothing is lost."
    if "could not look up effective user ID" in text:
        return f"User {server_account().uid} has no entry in the password file: add one, or set DATABASE_URL."
    if "Read-only file system" in text:
        return "COMBINE_HOME is on a read-only file system: choose one that can be written to."
    if "incompatible with server" in text:
        return "The data directory is of another version of PostgreSQL: choose another COMBINE_HOME."
    return ""


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
