"""``manage.py worker``: one worker process."""

from __future__ import annotations

import logging
import sys
from typing import Any

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from executions.worker import WorkerOver, run_worker

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Run one worker: it makes the model calls of executions. Start as many as you like, on any host."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=int,
            default=settings.COMBINE_WORKER_CONCURRENCY,
            help="model calls at a time (default: COMBINE_WORKER_CONCURRENCY)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write("worker: ready to work")
        self.stdout.flush()
        try:
            uvloop.run(run_worker(concurrency=options["concurrency"]))
        except WorkerOver as error:
            logger.error("The worker ends by itself", extra={"action": "worker_over", "why": str(error)})  # noqa: TRY400
            sys.exit(1)
