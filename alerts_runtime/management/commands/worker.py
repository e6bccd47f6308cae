"""`manage.py worker`: runs every loop until it is told to stop."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection

from alerts_runtime.background import registered
from alerts_runtime.engine import hints
from alerts_runtime.engine.fallback import with_fallback
from alerts_runtime.leasing import clock
from alerts_runtime.management.command import seconds
from alerts_runtime.management.database import DatabaseCommand, missing_migrations, not_migrated
from alerts_runtime.monitoring import heartbeat
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.worker.runner import Worker

log = get_logger(__name__)


class Command(DatabaseCommand):
    help = (
        "Process events and send alerts; with ALERTS_ENGINE, watch that the engine does, and do it while it does not. "
        "Runs until SIGTERM or Ctrl+C; start as many as you like."
    )
    examples = (
        "",
        "--stop-timeout 60",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--stop-timeout",
            type=seconds,
            default=20,
            help="seconds that running work gets to finish when the worker is told to stop (default: 20)",
        )

    def handle(self, *_args: Any, stop_timeout: float, **_options: Any) -> None:
        if missing := missing_migrations():
            raise CommandError(not_migrated(missing))
        heartbeat.prune(clock.now())
        loops = with_fallback(registered()) if hints.in_use() else registered()
        worker = Worker(loops, stop_timeout=stop_timeout)
        log.info(
            "worker.started",
            worker=worker.id,
            loops={loop.name: loop.threads for loop in worker.loops},
            threads=sum(loop.threads for loop in worker.loops),
            connections=worker.connections,
            database=connection.vendor,
            engine=hints.in_use(),
        )
        connection.close()
        sys.exit(worker.run())
