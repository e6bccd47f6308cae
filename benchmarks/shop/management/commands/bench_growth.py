"""Fills the tables up to a size, by SQL, and times what the site asks of them all day."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from benchmarks.shop.bodies import a_body
from benchmarks.shop.failures import a_failure
from benchmarks.worker_site import CHEAP
from notifier.config.conf import get_policy
from notifier.delivery.tick import Tick
from notifier.flow import pipeline
from notifier.intake import webhooks as inbound
from notifier.judge.calendar import Period
from notifier.judge.policy import DigestPlan
from notifier.messages import digest
from notifier.models import Alert, Notification, Occurrence
from notifier.outbox import digests
from notifier.outbox.leases import lease
from webhooks import events, loops
from webhooks.models import WebhookEvent
from webhooks.process import claim
from webhooks.receive import store

MANY, FEW = 100, 3


class Command(BaseCommand):
    help = "Fills up to so many events (and alerts, and failures of yesterday), then measures."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--events", type=int, default=0, help="fill up to so many")
        parser.add_argument("--alerts", type=int, default=0, help="the same")
        parser.add_argument("--yesterday", type=int, default=0, help="failures, for a digest")
        parser.add_argument("--measure", nargs="*", choices=MEASURED, default=[])

    def handle(self, *_args: Any, **options: Any) -> None:
        _fill_events(options["events"])
        _fill_alerts(options["alerts"])
        _fill_yesterday(options["yesterday"])
        if options["measure"]:
            self.stdout.write(json.dumps({name: _milliseconds(MEASURED[name]) for name in options["measure"]}))
        else:
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")


def _milliseconds(what: Callable[[], float]) -> float:
    """The lower quartile: what disturbs from outside only ever adds."""
    return statistics.quantiles([what() for _ in range(FEW if what in SLOW else MANY)])[0]


def _timed(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return (time.perf_counter() - began) * 1000


def _receive() -> float:
    """Without the commit, which takes what the disk takes, however large the table is."""
    body = a_body(CHEAP)
    with transaction.atomic():
        taken = _timed(lambda: store.store(events.parse(body, "default"), body, timezone.now()))
        transaction.set_rollback(True)
    return taken


def _claim() -> float:
    body = a_body(CHEAP)
    with transaction.atomic():
        store.store(events.parse(body, "default"), body, timezone.now())
        taken = _timed(lambda: claim.claim(timezone.now()))
        transaction.set_rollback(True)
    return taken


def _poll() -> float:
    now = timezone.now()
    return _timed(lambda: (claim.claim(now), claim.next_due(), lease("slack", now)))


def _tick() -> float:
    return _timed(lambda: (loops.tick(), Tick().step()))


def _digest() -> float:
    plan = DigestPlan("daily", ("slack",), at=timezone.now().time(), every="day", tz="UTC")
    target = next(channel.targets[0] for channel in get_policy().channels.values())
    row = digests.digest_now("daily", target, timezone.now() - timedelta(days=1), timezone.now())
    period = Period(row.starts_at, row.ends_at, "")
    now = timezone.now()
    taken = _timed(
        lambda: digest.render_digest(
            digest.collect(plan, row.target_id, period, now, count_events=inbound.event_counts)
        )
    )
    row.delete()
    return taken


def _page(address: str) -> float:
    """Of somebody who may see all of it. The first visit adds up what the next ones within a minute find."""
    user, _ = User.objects.get_or_create(username="bench", defaults={"is_superuser": True})
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    largest = Alert.objects.order_by("-count").values_list("pk", flat=True)[0]
    newest = WebhookEvent.objects.order_by("-received_at").values_list("event_id", flat=True)[0]

    def visit() -> None:
        if client.get(address.format(alert=largest, event=newest)).status_code != 200:
            raise RuntimeError(f"{address} cannot be seen")

    visit()
    return _timed(visit)


MEASURED: dict[str, Callable[[], float]] = {
    "receive": _receive,
    "claim": _claim,
    "poll": _poll,
    "tick": _tick,
    "digest": _digest,
    "page now": partial(_page, "/alerts/"),
    "page alert": partial(_page, "/alerts/{alert}/"),
    "page events": partial(_page, "/alerts/events/"),
    "page events given up": partial(_page, "/alerts/events/?state=dead"),
    "page events of a customer": partial(_page, "/alerts/events/?q=cus_7"),
    "page event": partial(_page, "/alerts/events/{event}/"),
    "page log": partial(_page, "/alerts/log/"),
    "page silences": partial(_page, "/alerts/silences/?alert={alert}"),
}
SLOW = {_digest, _tick, *(MEASURED[name] for name in MEASURED if name.startswith("page"))}


# --- Rows ---------------------------------------------------------------------------------------------------------


def _fill_events(number: int) -> None:
    have = WebhookEvent.objects.count()
    if have >= number:
        return
    body = '{"object": "event"}' + " " * 200
    first = WebhookEvent.objects.create(
        event_id=f"evt_first_{have}", type=CHEAP, kind="snapshot", endpoint="default", livemode=True, body=body,
        created=timezone.now(), received_at=timezone.now() - timedelta(days=2), processed_at=timezone.now(),
        state="processed", attempts=1, how_processed="first", due_at=None,
    )  # fmt: skip
    about = {"customer": "'cus_' || (n % 9000)", "object_id": "'in_' || n"}
    _multiply(first, have + 1, number, event_id="'evt_' || n", received_at=_before("received_at", "n * 7"), **about)


def _fill_alerts(number: int) -> None:
    have = Alert.objects.count()
    if have >= number:
        return
    recorded = pipeline.failed(a_failure("first"), timezone.now() - timedelta(days=2))
    if recorded is None:
        raise RuntimeError("the first failure was ignored")
    alert = Alert.objects.get(pk=recorded.alert_id)
    told = Notification.objects.get(alert=alert)
    Notification.objects.filter(pk=told.pk).update(due_at=None, told_seq=1, told_at=timezone.now(), sent=1)
    base, failure = alert.pk, Occurrence.objects.get(alert=alert)
    _multiply(alert, 1, number, fingerprint="'f' || n")
    _multiply(told, 1, number, alert_id=f"{base} + n")
    waiting = "'evt_open_' || n"  # of none of these is known that it was processed
    _multiply(failure, 1, number, alert_id=f"{base} + n", key="'k' || n", event_id=waiting)


def _fill_yesterday(number: int) -> None:
    have = Occurrence.objects.filter(occurred_at__gt=timezone.now() - timedelta(hours=23)).count()
    if have >= number:
        return
    for place in range(3):
        recorded = pipeline.failed(a_failure(f"storm{place}{have}", account=f"acct_storm{place}"), timezone.now())
        if recorded is None:
            raise RuntimeError("the failure was ignored")
        one = Occurrence.objects.get(alert=recorded.alert_id, seq=recorded.seq)
        mark = f"'storm{place}_' || n"
        many = {"seq": "n", "key": mark, "event_id": mark, "customer": "'cus_' || n"}
        _multiply(one, 2, number // 3, **many, occurred_at=_before("occurred_at", "n % 80000"))
        Alert.objects.filter(pk=recorded.alert_id).update(count=number // 3)


def _multiply(row: Model, first: int, last: int, **changes: str) -> None:
    """Copies of a row, numbered n, with columns changed as the SQL expressions say."""
    quote = connection.ops.quote_name
    columns = [str(field.column) for field in row._meta.concrete_fields if not field.primary_key]
    names = ", ".join(map(quote, columns))
    values = ", ".join(changes.get(column, quote(column)) for column in columns)
    if connection.vendor == "sqlite":
        numbers = (
            f"(WITH RECURSIVE r(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM r"  # noqa: S608 - numbers
            f" WHERE n < {last}) SELECT n FROM r)"
        )
    else:
        numbers = f"(SELECT generate_series({first}, {last}) AS n)"
    table = quote(row._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table}, {numbers} AS numbers"  # noqa: S608 - names of our own
            f" WHERE {table}.id = {row.pk} AND n BETWEEN {first} AND {last}"
        )


def _before(column: str, seconds: str) -> str:
    if connection.vendor == "sqlite":
        return f"strftime('%Y-%m-%d %H:%M:%f000', {column}, '-' || ({seconds}) || ' seconds')"
    return f"{column} - ({seconds}) * interval '1 second'"
