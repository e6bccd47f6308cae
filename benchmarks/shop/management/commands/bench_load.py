"""Stores events as the view does, all in one transaction: they become due at the same moment."""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from alerts_runtime.wakeups.wake import wake
from benchmarks.shop.bodies import a_body
from webhooks import events
from webhooks.receive import store


class Command(BaseCommand):
    help = "Stores events that wait to be processed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("types", nargs="+", help="the events' types, in turn")
        parser.add_argument("--number", type=int, required=True)
        parser.add_argument("--distinct", action="store_true", help="each of an account of its own")

    def handle(self, *_args: Any, types: list[str], number: int, distinct: bool, **_options: Any) -> None:
        bodies = [
            a_body(types[index % len(types)], account=f"acct_{secrets.token_hex(6)}" if distinct else "")
            for index in range(number)
        ]
        with transaction.atomic():
            now = timezone.now()
            for body in bodies:
                store.store(events.parse(body, "default"), body, now)
            wake("events")
        self.stdout.write(json.dumps({"stored": number}))
