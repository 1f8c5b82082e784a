"""TCP ports: is one free, which one is, and what to say when it is not."""

from __future__ import annotations

import socket
import time


def port_problem(host: str, port: int, *, patience: float = 0.0) -> str | None:
    """Say why ``port`` cannot be listened on, or None. A port that is just being given up gets ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while (problem := _bind_problem(host, port)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return problem


def free_port(host: str) -> int:
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


def port_in_use_message(host: str, port: int, problem: str) -> str:
    return (
        f"Cannot listen on {host} port {port}: {problem}. Stop what uses it, or choose another port, "
        f"for example: COMBINE_PORT={port + 1 if port < 65535 else port - 1} make run"
    )


def browser_host(host: str) -> str:
    """A host that a browser on this machine can open where the server listens on ``host``."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not listened on
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _bind_problem(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
