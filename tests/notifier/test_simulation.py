"""What people get of a day of failures, however many there are."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test import override_settings

from notifier.judge import throttle
from notifier.models import Alert, AttemptPart, Notification
from tests.notifier.scene import HOUR, MINUTE
from tests.notifier.simulation import NOTIFIER, Outcome, simulate

FAILURES = 2_000  # the whole 100,000: python -m tests.notifier.simulation


@pytest.fixture
def outcome(transactional_db: None, caplog: pytest.LogCaptureFixture) -> Outcome:
    caplog.set_level("ERROR")
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA synchronous=OFF")  # nothing here has to survive a power cut
    with override_settings(NOTIFIER=NOTIFIER):
        return simulate(FAILURES)


def test_a_day_of_failures_is_few_messages_and_no_failure_is_forgotten(outcome: Outcome) -> None:
    assert outcome.occurrences == FAILURES
    assert not Alert.objects.filter(resolved_at=None).exists()
    assert not Notification.objects.filter(due_at__isnull=False).exists()

    by_sms = outcome.times["on-call"]
    for window in throttle.SMS:
        assert most_within(window.per, by_sms) <= window.count
    assert outcome.at_night.total() == 0
    assert outcome.reasons["team@example.com"]["digest"] == 2  # on both mornings
    assert outcome.reasons["#payments"].total() <= outcome.alerts * bound_for_one_alert()
    for row in Notification.objects.all():
        parts = AttemptPart.objects.filter(notification=row, attempt__result="delivered").order_by("pk")
        told = [part for part in parts.select_related("attempt") if part.reason != "resolved"]
        for before, after in pairwise(told):
            gap = after.attempt.started_at - before.attempt.started_at
            assert gap >= 5 * MINUTE or after.severity > before.severity


def most_within(span: timedelta, times: list[datetime]) -> int:
    """The most messages in any span of that length."""
    return max((sum(begin <= at < begin + span for at in times) for begin in times), default=0)


def bound_for_one_alert() -> int:
    """Fifteen hours that are not quiet at one message in five minutes at most, and an end for each beginning."""
    return 2 * (15 * HOUR // (5 * MINUTE))
