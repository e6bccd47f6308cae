"""What must hold whatever happens: nothing waits for ever, nothing is told twice, every failure is counted once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.delivery import tick
from notifier.delivery.courier import Courier
from notifier.facts import HeldBy, Message, Receipt
from notifier.flow import pipeline, silences
from notifier.judge.calendar import Period
from notifier.messages import digest
from notifier.models import Alert, AttemptPart, Notification, Silence, Target
from notifier.outbox import forgotten, last_resort, settle, stand_ins
from tests.holding import die, let_pass
from tests.notifier.scene import (
    BUG,
    HOUR,
    MINUTE,
    NOON,
    OUTAGE,
    Folding,
    Scene,
    busy,
    refused,
    unsure,
)

pytestmark = pytest.mark.django_db

ANSWERS: deque[Any] = deque()
SAID: dict[int, int] = {}  # notification -> the last failure that a message which arrived has counted
ERRORS: dict[str, Callable[[], Exception]] = {
    "busy": busy,
    "asks to wait": lambda: busy(retry_after=90),
    "refuses": refused,
    "dies": lambda: refused(dead=True),
    "loses it": unsure,
    "takes it in silence": unsure,
}


class Unreliable(memory.Memory):
    """Answers as the next of ANSWERS says; fine when there is none."""

    kind = "unreliable"

    def send(self, address: str, message: Message) -> Receipt:
        answer = ANSWERS.popleft() if ANSWERS else ""
        receipt = super().send(address, message) if answer in {"", "takes it in silence"} else None
        if receipt is not None:
            _remember(message)
        if receipt is None or answer:
            raise ERRORS[answer]()
        return receipt


def _remember(message: Message) -> None:
    """Up to which failure a target has really been told, whatever the rows say of it later."""
    for part in AttemptPart.objects.filter(attempt__reference=message.reference, attempt__result="sending"):
        SAID[part.notification_id] = max(SAID.get(part.notification_id, 0), part.to_seq)


class UnreliableFolding(Unreliable, Folding):
    kind = "unreliable_folding"


WINDOW, REPEAT = 5 * MINUTE, 2 * HOUR
NOTIFIER = {
    "CHANNELS": {
        "chat": {"BACKEND": "tests.notifier.test_accounting.Unreliable", "TO": ["chat"]},
        "page": {
            "BACKEND": "tests.notifier.test_accounting.UnreliableFolding",
            "TO": ["page"],
            "FAILOVER": "chat",
            "FAILOVER_AFTER": "15m",
        },
    },
    "ROUTES": [
        {"name": "page", "match": {"severity": "critical"}, "to": ["page"], "continue": True},
        {"name": "all", "to": ["chat"], "repeat": "2h"},
    ],
    "QUIET_HOURS": {"nap": {"HOURS": "13:00-14:00", "CHANNELS": ["chat"], "UNLESS": "critical"}},
    "LIMITS": {"page": {"RATES": ["1/1m", "5/15m"]}},
    "INHIBIT": [{"parent": {"category": "database", "severity": ">=error"}, "child": {"event": "payout.*"}}],
    "DIGESTS": {"daily": {"AT": "08:00", "TO": ["chat"]}},
    "TZ": "UTC",
}
TYPES = ("invoice.paid", "payout.failed", "charge.failed")

types = st.sampled_from(TYPES)
events = st.integers(0, 4)
deeds = st.one_of(
    st.tuples(st.just("fail"), types, events, st.booleans()),
    st.tuples(st.just("fail"), types, events, st.booleans()),
    st.tuples(st.just("outage"), events),
    st.tuples(st.just("recover"), events),
    st.tuples(st.just("silence"), types, st.sampled_from([10, 90])),
    st.tuples(st.just("unsilence")),
    st.tuples(st.just("acknowledge"), st.sampled_from([10, 90])),
    st.tuples(st.just("resolve"), types),
    st.tuples(st.just("wait"), st.sampled_from([0.2, 1, 5, 17, 60, 180])),
    st.tuples(st.just("clock_back")),
    st.tuples(st.just("work")),
    st.tuples(st.just("work")),
    st.tuples(st.just("answers"), st.lists(st.sampled_from(sorted(ERRORS)), min_size=1, max_size=4)),
    st.tuples(st.just("die_while_sending")),
    st.tuples(st.just("tick")),
)


class World(Scene):
    """A site to which things happen."""

    def __init__(self) -> None:
        super().__init__()
        self.cried: set[int] = set()
        self.counted = 0

    def do_fail(self, event_type: str, event: int, last: bool) -> None:
        self._count(event_type=event_type, event_id=f"evt_{event}", exceptions=BUG, will_retry=not last)

    def do_outage(self, event: int) -> None:
        self._count(event_type="invoice.paid", event_id=f"evt_{event}", exceptions=OUTAGE, attempt=2)

    def _count(self, **changes: Any) -> None:
        self.counted += self.fail(**changes) is not None

    def do_recover(self, event: int) -> None:
        self.recover(f"evt_{event}")

    def do_silence(self, event_type: str, minutes: int) -> None:
        until = self.now + minutes * MINUTE
        silences.silence({"event": event_type}, until=until, author="ada", comment="", now=self.now)

    def do_unsilence(self) -> None:
        for silence in Silence.objects.all():
            silences.end(silence, self.now)

    def do_acknowledge(self, minutes: int) -> None:
        for alert in Alert.objects.filter(resolved_at__isnull=True):
            pipeline.acknowledge(alert, "ada", self.now, self.now + minutes * MINUTE)

    def do_resolve(self, event_type: str) -> None:
        for alert in Alert.objects.filter(event_type=event_type, resolved_at__isnull=True):
            pipeline.resolve(alert, "by ada", self.now)

    def do_wait(self, minutes: float) -> None:
        self.clock.step(minutes * MINUTE)

    def do_clock_back(self) -> None:
        self.clock.step(-HOUR)

    def do_work(self) -> None:
        self.deliver()

    def do_answers(self, answers: list[str]) -> None:
        ANSWERS.extend(answers)

    def do_die_while_sending(self) -> None:
        """A worker dies between the call and its answer; its successor comes when others see that it is gone."""
        for alias in ("chat", "page"):
            Courier(alias, now=self.clock, start=lambda name, run: None).step()
        self.couriers.clear()
        die()
        let_pass()

    def do_tick(self) -> None:
        settle.settle_lost(self.now)
        tick.resolve_overdue(self.now)
        assert forgotten.plan(get_policy(), self.now) == 0, "a row had news and no plan"

    def come_to_rest(self) -> None:
        """Everything is mended, nobody hushes anything, and time passes."""
        ANSWERS.clear()
        self.do_unsilence()
        for target in Target.objects.all():
            stand_ins.revive(target, self.now)
        for _ in range(9):
            self.clock.step(HOUR)
            self.do_tick()
            self.deliver()
            self.clock.step(5 * MINUTE)
            self.deliver()


# --- what must hold at any moment -----------------------------------------------------------------------------------


def nothing_is_lost(world: World) -> None:
    for row in Notification.objects.select_related("alert", "target"):
        alert = row.alert
        planned = row.due_at is not None or row.sending_id is not None
        if alert.resolved_at is None:
            left_out = not row.route  # it opened again, and no route takes it there
            assert planned or left_out or row.told_seq == alert.count, f"{row} has news and no plan"
        elif row.told_seq and not row.told_resolved:
            elsewhere = row.last_error.startswith(HeldBy.DIVERTED)
            assert planned or elsewhere, f"{row} will never hear that it is over"
        if row.held_by == HeldBy.DIVERTED:
            stands_in = Notification.objects.filter(alert=alert).exclude(pk=row.pk).exists()
            assert stands_in or alert.pk in world.cried, f"nobody stands in for {row} and nobody was cried to"


def every_failure_is_counted_once(world: World) -> None:
    assert sum(alert.count for alert in Alert.objects.all()) == world.counted
    for alert in Alert.objects.all():
        numbers = list(alert.occurrences.order_by("seq").values_list("seq", flat=True))
        assert numbers == list(range(1, alert.count + 1))
        for row in alert.notifications.all():
            books = {number: book(row, number) for number in numbers}
            assert sorted(books.values()) == sorted(
                ["told"] * row.told_seq + [book(row, alert.count + 1)] * (alert.count - row.told_seq)
            )


def book(row: Notification, number: int) -> str:
    """The one book in which a target's row enters a failure."""
    if number <= row.told_seq:
        return "told"
    if row.held_by == HeldBy.SILENCE:
        return "silenced"
    return "held"


def what_was_told_abuts(world: World) -> None:
    for row in Notification.objects.all():
        ranges = list(
            AttemptPart.objects.filter(notification=row, attempt__result="delivered")
            .order_by("pk")
            .values_list("from_seq", "to_seq")
        )
        assert all(before[1] == after[0] for before, after in pairwise([(0, 0), *ranges])), ranges
        assert (ranges[-1][1] if ranges else 0) == row.told_seq
        assert row.told_seq <= SAID.get(row.pk, 0), f"{row} counts as told what no message said"


def nobody_is_told_twice_within_the_interval(world: World) -> None:
    for row in Notification.objects.all():
        parts = AttemptPart.objects.filter(notification=row, attempt__result="delivered").order_by("pk")
        for before, after in pairwise(parts.select_related("attempt")):
            gap = after.attempt.started_at - before.attempt.finished_at  # type: ignore[operator]  # delivered: not null
            worse = after.severity > before.severity
            least = {"update": WINDOW, "repeat": REPEAT, "reopened": timedelta.min if worse else WINDOW}
            assert after.reason != "first", "a first message comes once"
            assert after.reason != "raised" or worse
            assert gap >= least.get(after.reason, timedelta.min), (before.reason, after.reason, gap)


def the_digest_lists_every_alert_once(world: World) -> None:
    row = Notification.objects.first()
    if row is None:
        return
    period = Period(NOON - timedelta(days=30), NOON + timedelta(days=30), "all of it")
    data = digest.collect(get_policy().digests[0], row.target_id, period, world.now)
    assert sorted(line.id for line in data.lines) == sorted(Alert.objects.values_list("pk", flat=True))
    assert sum(line.count for line in data.lines) == data.failures == world.counted


ALWAYS = (nothing_is_lost, every_failure_is_counted_once, what_was_told_abuts, nobody_is_told_twice_within_the_interval)


def everything_was_told(world: World) -> None:
    for row in Notification.objects.select_related("alert", "target"):
        alert = row.alert
        if alert.resolved_at is None and alert.inhibited_by_id is None and row.route:
            assert row.told_seq == alert.count, f"{row} has not heard of {alert.count - row.told_seq}: {row.held_by}"
        elif alert.resolved_at is not None and row.told_seq and not row.last_error:
            assert row.told_resolved, f"{row} has not heard that it is over"


def run(story: list[tuple[Any, ...]]) -> None:
    with ExitStack() as stack:
        stack.enter_context(transaction.atomic())
        stack.callback(transaction.set_rollback, True)
        stack.enter_context(override_settings(NOTIFIER=NOTIFIER))
        memory.clear()
        ANSWERS.clear()
        SAID.clear()
        world = World()
        # Its mail would go out on a thread of its own.
        stack.enter_context(
            patch.object(last_resort, "not_delivered", lambda alert, why, **_: world.cried.add(alert.pk))
        )
        for name, *values in story:
            getattr(world, f"do_{name}")(*values)
            for holds in ALWAYS:
                holds(world)
        the_digest_lists_every_alert_once(world)
        world.come_to_rest()
        for holds in (*ALWAYS, everything_was_told, the_digest_lists_every_alert_once):
            holds(world)


# What chance seldom makes: more fails between a message that arrived without an answer and the next try.
TAKEN_AND_GONE_ON: list[tuple[Any, ...]] = [
    ("answers", ["takes it in silence"]),
    ("fail", "invoice.paid", 0, False),
    ("work",),
    ("fail", "invoice.paid", 1, False),
    ("wait", 1),
    ("work",),
]
TAKEN_TOGETHER_AND_JOINED: list[tuple[Any, ...]] = [
    ("answers", ["", "", "takes it in silence"]),  # the chat's two messages, then the page on both
    ("fail", "invoice.paid", 0, True),
    ("fail", "charge.failed", 1, True),
    ("work",),
    ("fail", "payout.failed", 2, True),
    ("wait", 1),
    ("work",),
]


@settings(
    max_examples=25,
    # Each example rolls back what it wrote and empties the outbox itself.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(TAKEN_AND_GONE_ON)
@example(TAKEN_TOGETHER_AND_JOINED)
@given(st.lists(deeds, min_size=5, max_size=25))
def test_whatever_happens_nothing_is_lost_doubled_or_uncounted(story: list[tuple[Any, ...]]) -> None:
    run(story)
