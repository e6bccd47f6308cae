"""Counts what a failure costs the notifier, after the first of its problem."""

from __future__ import annotations

import json
import secrets
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from benchmarks.shop.failures import a_failure
from notifier.flow import pipeline
from notifier.models import Alert

NUMBER = 50


class Command(BaseCommand):
    help = "Counts the SQL statements of a storm's failure, without BEGIN and COMMIT."

    def handle(self, *_args: Any, **_options: Any) -> None:
        pipeline.failed(a_failure(secrets.token_hex(6), account="acct_storm"), timezone.now())
        with CaptureQueriesContext(connection) as captured:
            for _ in range(NUMBER):
                pipeline.failed(a_failure(secrets.token_hex(6), account="acct_storm"), timezone.now())
        words = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
        statements = [query for query in captured.captured_queries if not query["sql"].startswith(words)]
        Alert.objects.all().delete()  # what follows counts its own
        self.stdout.write(json.dumps({"per_failure": len(statements) / NUMBER}))
