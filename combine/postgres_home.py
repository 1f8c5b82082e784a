"""Where the embedded PostgreSQL of one COMBINE_HOME lives. Cheap: nothing is started, and rarely anything written.

Usually everything is in ``COMBINE_HOME/postgres``. Two things can force parts of it elsewhere:

* The server refuses to run as root, so for root it runs as the user ``nobody``, who must be able to reach the data.
  Below a private directory (a home of mode 700, say) it cannot, and parents are not ours to open: the data then lives
  in a directory of our own below ``/var/lib`` (or ``/var/tmp``).
* A socket's path may have about 100 bytes only: a longer one gets a short directory.

Such a place has a random name, written into the home once. (Were it made from the home's path, a home deleted and made
again would find the old one's data, or its dying server.)
"""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from combine.home_files import read_file, write_file_once

PORT = 5432
DATABASE = "combine"
SUPERUSER = "postgres"
SOCKET_PATH_LIMIT = 100
NOBODY_UID = 65534
ROOT_PARENTS = (Path("/var/lib/the-combine"), Path("/var/tmp/the-combine"))  # noqa: S108 - root's own, checked on use
_OUR_FILES = ("secret_key", ".secret_key", "demo_token", ".demo_token", "offline_model", ".offline_model", "postgres")
DEFAULT_BASE = "postgres"
DEFAULT_SOCKET_DIR = "socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresHome:
    """The places of one embedded server. ``base`` holds data, log and (if its path is short enough) the socket."""

    home: Path
    base: Path
    socket_dir: Path

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def log(self) -> Path:
        return self.base / "server.log"

    @property
    def lock(self) -> Path:
        return self.home / "postgres.lock"

    @property
    def users(self) -> Path:
        """Held shared by every process that uses the server, so that nobody stops it under another."""
        return self.home / "postgres.users"

    @property
    def is_elsewhere(self) -> bool:
        return self.base != self.home / DEFAULT_BASE


def find_postgres_home(home: Path) -> PostgresHome:
    """Say where the server of this home lives: the same answer in every process and on every day."""
    written = _written_location(home)
    if written is None:
        chosen = _choose_location(home)
        if chosen == (DEFAULT_BASE, DEFAULT_SOCKET_DIR):
            written = chosen
        else:
            _write_location(home, *chosen)
            written = _written_location(home) or chosen
    base = home / written[0]
    return PostgresHome(home=home, base=base, socket_dir=base / written[1])


def is_reachable_by_nobody(path: Path) -> bool:
    """Say whether a user without rights may walk through every existing directory down to ``path``."""
    path = path.resolve()
    for directory in (path, *path.parents):
        try:
            status = directory.stat()
        except FileNotFoundError:
            continue
        needed = stat.S_IXUSR if status.st_uid == NOBODY_UID else stat.S_IXOTH
        if not status.st_mode & needed:
            return False
    return True


def root_parent() -> Path:
    """The directory for what root's server cannot reach elsewhere: the first that can be used."""
    for parent in ROOT_PARENTS:
        if parent.is_dir() or os.access(parent.parent, os.W_OK):
            return parent
    return ROOT_PARENTS[-1]


def _can_be_reached(home: Path) -> bool:
    """A home that holds nothing but our own files is ours to open (its search bit only); parents never are."""
    if not is_reachable_by_nobody(home.parent):
        return False
    return is_reachable_by_nobody(home) or all(entry.name.startswith(_OUR_FILES) for entry in home.iterdir())


def location_file(home: Path) -> Path:
    return home / "postgres.location"


def _written_location(home: Path) -> tuple[str, str] | None:
    """The base (absolute, or below the home) and the socket directory (absolute, or below the base), as written."""
    try:
        text = read_file(location_file(home)) or ""
    except (PermissionError, NotADirectoryError):
        return None
    lines = text.splitlines()
    if len(lines) != 3:
        return None
    base, socket_dir, of_home = lines
    # A copied home must not share the original's server; a moved one keeps its own.
    is_copy = of_home != str(home) and Path(of_home).exists()
    return None if is_copy else (base, socket_dir)


def _write_location(home: Path, base: str, socket_dir: str) -> None:
    if _is_stale(home):
        location_file(home).unlink(missing_ok=True)
    write_file_once(location_file(home), f"{base}\n{socket_dir}\n{home}", mode=0o644)


def _is_stale(home: Path) -> bool:
    return location_file(home).exists() and _written_location(home) is None


def _choose_location(home: Path) -> tuple[str, str]:
    is_root = os.geteuid() == 0
    short_name = secrets.token_hex(8)
    base = DEFAULT_BASE
    # Data that is there stays there.
    if is_root and not (home / base / "data").exists() and not _can_be_reached(home):
        base = str(root_parent() / short_name)
    socket_dir = home / base / DEFAULT_SOCKET_DIR
    if len(os.fsencode(socket_dir / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_LIMIT:
        return base, DEFAULT_SOCKET_DIR
    if is_root:
        return base, str(root_parent() / short_name / DEFAULT_SOCKET_DIR)
    # Not tempfile's directory: TMPDIR may differ between a shell and a service that share one home.
    return base, f"/tmp/combine-{os.geteuid()}-{short_name}"  # noqa: S108 - made 0700, and its owner is checked
