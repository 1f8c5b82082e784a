"""Runs the offline model as a process of its own: ``python -m executions.llm.offline --port 8009 --packages DIR``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from executions.llm.offline.app import OfflineModel
from executions.llm.offline.author import OfflineAuthor
from executions.llm.offline.samples import SampleLibrary

DEFAULT_PORT = 8009


def build_app(
    directories: Sequence[Path], *, seconds_per_document: float = 1.0, asks_questions: bool = True
) -> OfflineModel:
    """Return the application with the samples below ``directories``."""
    author = OfflineAuthor(SampleLibrary(directories), asks_questions=asks_questions)
    return OfflineModel(author, seconds_per_document=seconds_per_document)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m executions.llm.offline", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--packages", default="", help="package directories whose samples are used, colon-separated")
    parser.add_argument("--delay", type=float, default=1.0, help="seconds that writing a document takes")
    parser.add_argument("--no-questions", action="store_true", help="never ask for clarification")
    options = parser.parse_args(arguments)
    app = build_app(
        [Path(name) for name in options.packages.split(os.pathsep) if name],
        seconds_per_document=options.delay,
        asks_questions=not options.no_questions,
    )
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        lifespan="off",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=0,  # open streams are cut: the real one may break at any time too
    )
