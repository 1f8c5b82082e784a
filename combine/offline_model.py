"""The port of the offline model, which `up` and other commands of the same home must agree on.

With no port asked for, `up` takes the usual one, or any free one where that is taken, and notes it in the home.
"""

from __future__ import annotations

from pathlib import Path

from combine.home_files import read_file, write_file
from combine.ports import free_port, port_problem

HOST = "127.0.0.1"


def _port_file(home: Path) -> Path:
    return home / "offline_model.port"


def noted_port(home: Path) -> int | None:
    """The port that the last `up` of this home took."""
    try:
        text = read_file(_port_file(home)) or ""
    except OSError:
        return None
    return int(text) if text.isdecimal() and 0 < int(text) < 65536 else None


def choose_port(home: Path, *, preferred: int) -> int:
    """Take the preferred port if it is free, else another, and note it."""
    port = preferred if port_problem(HOST, preferred, patience=1.0) is None else free_port(HOST)
    write_file(_port_file(home), str(port))
    return port
