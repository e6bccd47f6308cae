"""Opens alerts as failures do, all in one transaction: their messages become due at the same moment."""

from __future__ import annotations

import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from benchmarks.shop.failures import a_failure
from notifier.flow import pipeline


class Command(BaseCommand):
    help = "Opens distinct alerts."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--number", type=int, required=True)

    def handle(self, *_args: Any, number: int, **_options: Any) -> None:
        with transaction.atomic():
            for _ in range(number):
                pipeline.failed(a_failure(secrets.token_hex(6)), timezone.now())
