"""A made-up day of a shop, for a first look at the pages: its events, what failed, who was told.

It goes through production's own code with a clock of its own, and sends nothing: the channels write into memory.
"""

from __future__ import annotations

import json
import linecache
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from django.db import OperationalError
from django.test.utils import override_settings
from stripe import APIConnectionError

from notifier.answers.commands import Asker, Command, Verb
from notifier.answers.door import answer
from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.delivery.courier import Courier
from notifier.facts import DeliveryError, Result
from notifier.flow import pipeline
from notifier.intake.webhooks import facts_of
from notifier.models import Alert, Notification
from webhooks import samples
from webhooks.conf import config
from webhooks.events import parse
from webhooks.models import WebhookEvent
from webhooks.process import failures, retry
from webhooks.process.errors import describe
from webhooks.process.ran import Came, Line
from webhooks.receive import store

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
USUAL = ("invoice.paid", "charge.succeeded", "checkout.session.completed", "customer.subscription.updated")
CHANNELS: dict[str, Any] = {
    "CHANNELS": {
        "slack": {"BACKEND": "memory", "TO": ["#payments"]},
        "oncall": {"BACKEND": "memory", "TO": ["+15005550006"]},  # Twilio's own test number
        "team": {"BACKEND": "memory", "TO": ["team@example.com"]},
    },
    "ROUTES": {"critical": ["slack", "oncall", "team"], "error": ["slack"], "warning": ["slack"], "*": []},
    "DIGESTS": {"daily": {"AT": "08:00", "TO": ["team"]}},
}
# The shop's handlers, as a traceback shows them. Each fails with what it is given.
_SHOP = """\
def record_payment(ledger, event):
    ledger.call(ledger, event.object["id"], event.object["amount_paid"])


def change_plan(plans, event):
    plan = {}[event.object["plan"]]
    return plan.price


def refund(stripe, event):
    return stripe.call(stripe, event.object["id"])
"""
_LIBRARY = """\
def call(connection, *arguments):
    raise connection.error()
"""
_LIBRARY_FILE = "/srv/shop/.venv/lib/python3/site-packages/ledger/connection.py"
_ERRORS: dict[str, Callable[[], Exception]] = {
    "record_payment": lambda: OperationalError("connection to server at the ledger failed: Connection refused"),
    "refund": lambda: APIConnectionError("Unexpected error: timed out"),  # type: ignore[no-untyped-call]  # stripe's own
}
_FILE = "/srv/shop/billing/handlers.py"
_LAST = ("billing.mails.send_receipt", Came.NOT_RUN.value, 0)


@dataclass
class _Clock:
    at: datetime

    def __call__(self) -> datetime:
        return self.at


def seed(now: datetime, by: str) -> None:
    """Fill an empty database with the 26 hours before `now`. `by` is who acknowledged what was."""
    chance = random.Random(7)  # noqa: S311 - the same look each time
    _usual_events(now, chance)
    with override_settings(NOTIFIER=CHANNELS):
        clock = _Clock(now - 26 * HOUR)
        couriers = [Courier(alias, now=clock, start=lambda _name, run: run()) for alias in get_policy().channels]
        for at, step in sorted(_story(now, by, chance), key=lambda one: one[0]):
            _work(couriers, clock, at)
            step(at)
            _work(couriers, clock, at)
        _work(couriers, clock, now)
    _leave_it_so(now)
    memory.clear()


def _leave_it_so(now: datetime) -> None:
    """A worker that starts now has nothing to do for a while: it would handle all of it, and nothing would be open."""
    later = now + 8 * HOUR
    WebhookEvent.objects.filter(due_at__isnull=False).update(due_at=later)
    Alert.objects.filter(resolved_at__isnull=True, will_retry=True).update(next_attempt_at=later)
    Notification.objects.filter(due_at__isnull=False).update(due_at=later)


def _story(now: datetime, by: str, chance: random.Random) -> Iterator[tuple[datetime, Callable[[datetime], object]]]:
    """When, and what happens then."""
    yield from _forgotten_plan(now - 22 * HOUR, mended=now - 20 * HOUR)
    yield from _stripe_away(now - 6 * HOUR)
    plan = [_event("customer.subscription.updated", plan=f"price_2023_{number}") for number in range(5)]
    for number, made in enumerate(plan):
        start = now - 3 * HOUR + number * 11 * MINUTE
        yield start, _receives(made)
        for attempt, after in enumerate((0, 1, 10, 20), 1):
            if start + after * MINUTE < now:
                yield start + after * MINUTE, _fails(made, _broken("change_plan"), attempt)
    yield now - 40 * MINUTE, _answers(plan[0], by)
    yield now - 25 * MINUTE, lambda at: memory.fail_next(DeliveryError(Result.RETRY, "rate_limited", "try again later"))
    for number in range(34):
        money = {"amount": chance.randrange(900, 60_000), "currency": "usd" if number % 7 == 0 else "eur"}
        made = _event("invoice.paid", livemode=True, **money)
        start = now - 24 * MINUTE + timedelta(seconds=37 * number)
        yield start, _receives(made)
        yield start, _fails(made, _broken("record_payment"), 1)
        if start + MINUTE < now:
            yield start + MINUTE, _fails(made, _broken("record_payment"), 2)
    test = _event("charge.refunded", amount=2_000)
    yield now - 9 * MINUTE, _receives(test)
    yield now - 9 * MINUTE, _fails(test, _broken("refund"), 1)


def _forgotten_plan(at: datetime, mended: datetime) -> Iterator[tuple[datetime, Callable[[datetime], object]]]:
    for number in range(3):
        made = _event("customer.subscription.updated", livemode=True, plan=f"price_old_{number}")
        yield at + number * MINUTE, _receives(made)
        yield at + number * MINUTE, _fails(made, _broken("change_plan"), 3)
        yield mended, _recovers(made, "replay")


def _stripe_away(at: datetime) -> Iterator[tuple[datetime, Callable[[datetime], object]]]:
    for number in range(4):
        made = _event("charge.refunded", livemode=True, amount=4_500 + number)
        start = at + number * 2 * MINUTE
        yield start, _receives(made)
        yield start, _fails(made, _broken("refund"), 1)
        yield at + 26 * MINUTE, _recovers(made, "retry")


def _event(kind: str, **changes: Any) -> dict[str, Any]:
    return samples.snapshot(kind, **changes)


def _receives(event: dict[str, Any]) -> Callable[[datetime], object]:
    def step(at: datetime) -> None:
        body = json.dumps(event)
        store.store(parse(body, "default"), body, at)
        WebhookEvent.objects.filter(event_id=event["id"]).update(created=at - timedelta(seconds=2))

    return step


def _fails(event: dict[str, Any], error: BaseException, attempt: int) -> Callable[[datetime], object]:
    def step(at: datetime) -> None:
        row = WebhookEvent.objects.get(event_id=event["id"])
        facts = describe(error, duration_ms=40 + 13 * attempt)
        plan = retry.plan(error, attempt=attempt, now=at, limits=config().retry)
        row.attempts, row.due_at = attempt, plan.due_at
        row.state = WebhookEvent.State.PENDING if plan.will_retry else WebhookEvent.State.DEAD
        row.last_error = f"{facts.exception}: {facts.message}"[:255]
        row.save()
        failure = failures.record(row, facts, plan, at, handlers=_handlers(facts.where.function, 40 + 13 * attempt))
        failure.announced_at = at
        failure.save(update_fields=["announced_at"])
        pipeline.failed(facts_of(row, parse(row.body, "default"), failure), at)

    return step


def _handlers(failed: str, took: int) -> list[Line]:
    before = ("billing.handlers.remember_customer", Came.UNDONE.value, 4)
    return [before, (f"billing.handlers.{failed}", Came.FAILED.value, took), _LAST]


def _recovers(event: dict[str, Any], how: str) -> Callable[[datetime], object]:
    def step(at: datetime) -> None:
        WebhookEvent.objects.filter(event_id=event["id"]).update(
            state=WebhookEvent.State.PROCESSED, due_at=None, processed_at=at, how_processed=how, last_error=""
        )
        pipeline.recovered(event["id"], how, at)

    return step


def _answers(event: dict[str, Any], by: str) -> Callable[[datetime], object]:
    def step(at: datetime) -> None:
        number = _alert_of(event).pk
        answer(Command(Verb.ACKNOWLEDGE, number), Asker(by, "slack"), at)
        words = "The plans of 2023 were deleted at noon. Putting them back, then replaying."
        answer(Command(Verb.COMMENT, number, text=words), Asker(by, "page"), at + MINUTE)

    return step


def _alert_of(event: dict[str, Any]) -> Any:
    return Alert.objects.filter(occurrences__event_id=event["id"]).order_by("-pk").first()


def _broken(function: str) -> BaseException:
    """What one of the shop's handlers raises, with a traceback through its lines and a library's."""
    space: dict[str, Any] = {"__name__": "billing.handlers"}
    for file, text in ((_LIBRARY_FILE, _LIBRARY), (_FILE, _SHOP)):
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        exec(compile(text, file, "exec"), space)  # noqa: S102 - the texts above
    event = SimpleNamespace(object={"id": "in_1", "amount_paid": 1, "plan": "price_2023"})
    try:
        space[function](SimpleNamespace(call=space["call"], error=_ERRORS.get(function)), event)
    except Exception as error:  # noqa: BLE001 - it is there to be raised
        return error
    raise AssertionError(function)


def _work(couriers: list[Courier], clock: _Clock, until: datetime) -> None:
    """Let the channels send what became due before then, minute by minute where something is."""
    while True:
        rows = Notification.objects.filter(due_at__isnull=False, due_at__lte=until, sending__isnull=True)
        due = rows.order_by("due_at").values_list("due_at", flat=True).first()
        if due is None or clock.at >= until:
            break
        clock.at = min(max(due, clock.at + MINUTE / 4), until)
        for courier in couriers:
            while courier.step() == 0.0 or courier.busy():
                pass
    clock.at = until


def _usual_events(now: datetime, chance: random.Random) -> None:
    """What the shop handled at the first attempt."""
    rows = []
    for _ in range(320):
        at = now - timedelta(seconds=chance.randrange(60, 26 * 3600))
        took = chance.randrange(20, 900)
        event = samples.snapshot(chance.choice(USUAL), now=at, livemode=True, amount=chance.randrange(500, 90_000))
        rows.append(
            WebhookEvent(
                event_id=event["id"],
                type=event["type"],
                kind=WebhookEvent.Kind.SNAPSHOT,
                endpoint="default",
                livemode=True,
                api_version=event["api_version"],
                created=at,
                object_id=event["data"]["object"]["id"],
                customer=event["data"]["object"].get("customer") or "",
                body=json.dumps(event),
                state=WebhookEvent.State.PROCESSED,
                attempts=1,
                armed_at=at,
                received_at=at,
                processed_at=at + timedelta(milliseconds=took),
                handlers=[("billing.handlers.remember_customer", Came.DONE.value, took - 15)],
                how_processed=WebhookEvent.How.FIRST,
            )
        )
    WebhookEvent.objects.bulk_create(rows, batch_size=100)
