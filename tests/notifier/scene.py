"""A site in small: failures in, messages in memory out, on a clock that only the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from notifier.alerts.counting import Recorded
from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.delivery.courier import Courier
from notifier.facts import DeliveryError, Failure, Frame, Money, Recipient, Result
from notifier.flow import pipeline
from notifier.intake import by_class
from notifier.models import Alert, Notification
from notifier.models import Target as TargetRow
from notifier.outbox import digests

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)  # a Monday
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
EURO = Money(125_000, "eur")
OUTAGE = ("django.db.OperationalError", "django.db.DatabaseError", "django.db.Error", "Exception")
STRIPE_DOWN = ("stripe.APIConnectionError", "stripe.StripeError", "Exception")
BUG = ("KeyError", "LookupError", "Exception")
_numbers = count(1)


class Folding(memory.Memory):
    """As an SMS: several alerts make one message."""

    kind = "folding"
    can_fold = True


class Clock:
    """The time, which passes only when a test says so."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def step(self, by: timedelta) -> datetime:
        self.at += by
        return self.at


@dataclass
class Scene:
    """The notifier with a clock of its own and workers that send without threads."""

    clock: Clock = field(default_factory=Clock)
    couriers: dict[str, Courier] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.clock.at

    def fail(self, **changes: Any) -> Recorded | None:
        return pipeline.failed(a_failure(self.now, **changes), self.now)

    def alert(self, **changes: Any) -> Alert:
        """A failure, and the alert that it is counted on."""
        recorded = self.fail(**changes)
        assert recorded is not None
        return Alert.objects.get(pk=recorded.alert_id)

    def recover(self, event_id: str, how: str = "retry") -> list[Alert]:
        return pipeline.recovered(event_id, how, self.now)

    def courier(self, alias: str) -> Courier:
        if alias not in self.couriers:
            self.couriers[alias] = Courier(alias, now=self.clock, start=at_once)
        return self.couriers[alias]

    def deliver(self, *aliases: str) -> list[memory.Sent]:
        """Let the couriers work until nothing more goes at this moment; what arrived meanwhile."""
        before = len(memory.outbox)
        for _ in range(3):  # what one channel cannot deliver another may have to
            known = len(memory.outbox)
            for alias in aliases or get_policy().channels:
                drain(self.courier(alias))
            if len(memory.outbox) == known:
                break
        return memory.outbox[before:]

    def pass_time(self, by: timedelta, step: timedelta = MINUTE) -> list[memory.Sent]:
        """Let time pass in steps, with the couriers at work; what arrived meanwhile."""
        end, arrived = self.now + by, list[memory.Sent]()
        while self.now < end:
            self.clock.step(min(step, end - self.now))
            arrived += self.deliver()
        return arrived


def at_once(name: str, run: Callable[[], None]) -> None:
    """Instead of a thread for the call to the provider."""
    run()


def drain(courier: Courier) -> None:
    while courier.step() == 0.0 or courier._calls:
        pass


def a_failure(at: datetime, **changes: Any) -> Failure:
    number = next(_numbers)
    known: dict[str, Any] = {
        "key": f"failure {number}",
        "occurred_at": at,
        "exceptions": BUG,
        "message": "'plan'",
        "event_id": f"evt_{number}",
        "event_type": "invoice.paid",
        "endpoint": "default",
        "livemode": True,
        "will_retry": True,
        "frame": Frame("billing/handlers.py", 84, "billing.handlers", "record_payment"),
        "object_id": f"in_{number}",
        "customer": f"cus_{number}",
        "money": EURO,
    }
    failure = Failure(**known | changes)
    return failure if failure.kind else by_class.judged(failure)


def reasons(sent: Iterable[memory.Sent]) -> list[str]:
    return [str(one.message.reason) for one in sent]


def row_of(alert: Alert, key: str = "chat:chat") -> Notification:
    return Notification.objects.select_related("alert", "target").get(alert=alert, target__key=key)


def target_row(key: str = "chat:chat") -> TargetRow:
    return TargetRow.objects.get(key=key)


def busy(detail: str = "later", retry_after: float | None = None) -> DeliveryError:
    return DeliveryError(Result.RETRY, "503", detail, retry_after=retry_after)


def refused(*, dead: bool = False) -> DeliveryError:
    return DeliveryError(Result.REJECTED, "gone" if dead else "invalid", "not taken", target_dead=dead)


def unsure() -> DeliveryError:
    return DeliveryError(Result.UNCERTAIN, "timeout", "no answer")


def send_digest(name: str, starts_at: datetime, ends_at: datetime, now: datetime, alias: str = "chat") -> bool:
    return digests.ensure_digest(name, Recipient(alias, "memory", alias), starts_at, ends_at, now)
