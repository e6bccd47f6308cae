"""What other code may count on when it calls alert(): it never breaks its caller, and what it raised is not lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from alerts_runtime.isolation import last_resort, later
from notifier import api
from notifier.alerts import arguments
from notifier.delivery import tick
from notifier.facts import Money
from notifier.flow import pipeline
from notifier.models import Alert, Occurrence
from tests.notifier.scene import HOUR, NOON, Scene

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def raise_alert(**values: Any) -> object:
    """As untyped code calls it."""
    return api.alert(**values)


# --- keys ---------------------------------------------------------------------------------------------------------

LONG = "payouts." + "x" * 92
KEYS = ["k", "a:b", "webhook", "password=hunter2", "password=hunter3", "\0", "\ud800"]
KEYS += [LONG[:98], LONG[:99], LONG, LONG + "y", LONG + "z", "k" * 300, "k" * 301, "k" + "é" * 99, "k" + "é" * 100]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_a_key_of_any_length_is_counted_at_each_call_and_found_again(scene: Scene, key: str) -> None:
    for count in (1, 2, 3):
        assert api.alert("x", key=key, now=scene.now)
        alert = Alert.objects.get(resolved_at=None)
        assert (alert.count, len(alert.source) <= 100) == (count, True)
    assert api.resolve(key, now=scene.now) == 1

    scene.clock.step(2 * HOUR)
    assert api.alert("x", key=key, now=scene.now), "also after it has ended"
    assert Alert.objects.get(resolved_at=None) != alert


def test_no_two_keys_meet_in_one_alert(scene: Scene) -> None:
    for key in KEYS:
        api.alert("x", key=key, now=scene.now)
    assert Alert.objects.count() == len(KEYS)
    for key in KEYS:
        assert api.resolve(key, now=scene.now) == 1, key


@given(st.lists(st.text(max_size=120), min_size=2, max_size=2, unique=True))
def test_two_keys_never_have_one_source(keys: list[str]) -> None:
    first, second = map(arguments.source_of, keys)
    assert first != second
    assert arguments.source_of(first) != second
    assert max(len(first), len(second)) <= 100


def test_two_pairs_of_key_and_once_are_never_one(scene: Scene) -> None:
    pairs = [("a", "b:c"), ("a:b", "c"), (LONG, "1"), (LONG, "2"), (LONG + "1", ""), ("a", "x" * 500), ("a", "x" * 501)]
    for key, once in pairs:
        assert api.alert("x", key=key, once=once, now=scene.now), (key, once)
        assert not once or api.alert("x", key=key, once=once, now=scene.now) is None
    assert api.alert("x", key="a", once="b:c", livemode=False, now=scene.now)
    assert Occurrence.objects.count() == len(pairs) + 1


def test_the_key_of_webhook_alerts_ends_none_of_them(scene: Scene) -> None:
    scene.fail()
    assert api.resolve("webhook", now=scene.now) == 0


# --- its caller ---------------------------------------------------------------------------------------------------


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")

    __repr__ = __str__


class Leaving:
    def __str__(self) -> str:
        raise SystemExit(3)


class Broken(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items")


@pytest.mark.parametrize(
    "values",
    [
        {"exception": HostileError()},
        {"context": {"a": HostileError(), "b": Leaving(), "c": [HostileError()], "d": {"e": Leaving()}}},
        {"context": {HostileError(): "x", Leaving(): "y"}},
        {"context": Broken(a=1)},
        {"context": {"nul": "\0", "half": "\ud800", "long": "x" * 100_000, "number": 3, "none": None}},
        {"context": {f"key {number}": "x" for number in range(10_000)}},
        {"title": "\0 \ud800", "hint": "\0", "message": "\ud800", "once": "\ud800\0"},
        {"title": "x" * 100_000, "hint": "x" * 100_000, "message": "x" * 1_000_000},
        {"money": Money(10**15 - 1, "EUR")},
        {"resolve_after": timedelta(days=366)},
    ],
    ids=range(10),
)
def test_no_value_raises_into_the_caller_or_loses_the_alert(scene: Scene, values: dict[str, Any]) -> None:
    assert raise_alert(**{"title": "x", "key": "k", "now": scene.now} | values)
    alert = Alert.objects.get()
    assert len(alert.title) <= 150
    assert len(str(alert.context)) < 20_000
    assert scene.deliver()


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        ({"title": 5}, TypeError, "title must be a text, not int"),
        ({"title": " "}, ValueError, "title is empty"),
        ({"key": None}, TypeError, "key must be a text, not NoneType"),
        ({"key": b"k"}, TypeError, "key must be a text, not bytes"),
        ({"key": ""}, ValueError, "key is empty"),
        ({"severity": 40}, TypeError, "severity must be a text, not int"),
        ({"severity": "awful"}, ValueError, "Write one of: info, warning, error, critical"),
        ({"category": None}, TypeError, "category must be a text"),
        ({"hint": 1}, TypeError, "hint must be a text"),
        ({"message": ValueError("x")}, TypeError, "message must be a text, not ValueError"),
        ({"once": 7}, TypeError, "once must be a text, not int"),
        ({"exception": "x"}, TypeError, "exception must be an exception or None, not str"),
        ({"exception": ValueError}, TypeError, "exception must be an exception or None, not type"),
        ({"livemode": "yes"}, TypeError, "livemode must be True or False"),
        ({"money": 5}, TypeError, "money must be a notifier.facts.Money or None"),
        ({"money": Money(1.5, "eur")}, TypeError, "money.amount must be a whole number"),  # type: ignore[arg-type]  # the case
        ({"money": Money(10**15, "eur")}, ValueError, "more than 15 digits"),
        ({"money": Money(1, "euro")}, ValueError, "three letters"),
        ({"context": [1]}, TypeError, "context must be a mapping or None, not list"),
        ({"resolve_after": 60}, TypeError, "resolve_after must be a timedelta or None, not int"),
        ({"resolve_after": timedelta.max}, ValueError, "at most 366 days"),
        ({"resolve_after": timedelta(0)}, ValueError, "above zero"),
        ({"resolve_after": timedelta(days=-1)}, ValueError, "above zero"),
        ({"now": datetime(2026, 1, 1)}, ValueError, "now needs a time zone"),  # noqa: DTZ001 - the case
        ({"now": "today"}, TypeError, "now must be a datetime or None, not str"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once_in_a_sentence(
    values: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        raise_alert(**{"title": "x", "key": "k", "now": NOON} | values)
    assert not Alert.objects.exists()


def test_secrets_in_context_and_key_are_redacted_by_their_name(scene: Scene) -> None:
    context = {"password": "hunter2", "api_key": "abc", "nested": {"token": "hunter2"}, "text": "password=hunter2"}
    api.alert("password=hunter2", key="job password=hunter2", context=context, once="hunter2", now=scene.now)
    alert, occurrence = Alert.objects.get(), Occurrence.objects.get()
    stored = f"{alert.context} {alert.source} {alert.title} {alert.fingerprint} {occurrence.key}"
    assert "hunter2" not in stored
    assert "abc" not in str(alert.context)
    assert alert.source.startswith("job password=[secret]~")
    assert alert.context["password"] == "[secret]"


def test_one_row_of_an_impossible_time_does_not_keep_the_others_open(scene: Scene) -> None:
    api.alert("x", key="bad", now=scene.now)
    api.alert("x", key="good", resolve_after=MINUTE, now=scene.now)
    beyond = timedelta(days=100_000_000) if connection.vendor == "postgresql" else timedelta(microseconds=2**62)
    Alert.objects.filter(source="bad").update(resolve_after=beyond)

    tick.resolve_overdue(scene.clock.step(2 * MINUTE))
    assert Alert.objects.get(source="good").resolved_at
    assert not Alert.objects.get(source="bad").resolved_at


# --- its caller's transaction -------------------------------------------------------------------------------------


@pytest.fixture
def _written() -> Iterator[None]:
    yield
    assert later.settle(10)


class UndoneError(Exception):
    pass


@pytest.mark.usefixtures("_written")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_rolled_back", [True, False])
def test_an_alert_outlives_the_transaction_that_it_was_raised_in(scene: Scene, *, is_rolled_back: bool) -> None:
    try:
        with transaction.atomic(), transaction.atomic():
            api.alert("first", key="k", now=scene.now)  # takes no lock that the caller would wait for
            Alert.objects.filter(pk=0).update(title="")  # SQLite: the one write lock
            assert api.alert("Payout is late", key="payouts", now=scene.now) is None
            if is_rolled_back:
                raise UndoneError
    except UndoneError:
        pass
    assert later.settle(10)
    assert set(Alert.objects.values_list("source", flat=True)) == {"k", "payouts"}


@pytest.mark.usefixtures("_written")
@pytest.mark.django_db(transaction=True)
def test_an_alert_raised_in_a_broken_transaction_is_written(scene: Scene) -> None:
    with transaction.atomic():
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT nothing FROM nowhere")
        except Exception as error:  # noqa: BLE001 - any of the database's
            api.alert("x", key="k", exception=error, now=scene.now)
        transaction.set_rollback(True)
    assert later.settle(10)
    assert Alert.objects.get().count == 1


@pytest.mark.usefixtures("_written")
@pytest.mark.django_db(transaction=True)
def test_what_is_raised_and_resolved_in_one_transaction_is_over(scene: Scene) -> None:
    api.alert("x", key="before", now=scene.now)
    with transaction.atomic():
        api.alert("x", key="k", now=scene.now)
        assert api.resolve("k", now=scene.now) == 0, "it is not written yet"
        assert api.resolve("before", now=scene.now) == 1
    assert later.settle(10)
    assert Alert.objects.count() == 2
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.usefixtures("_written")
@pytest.mark.django_db(transaction=True)
def test_what_is_resolved_in_a_transaction_that_is_rolled_back_stays_open(scene: Scene) -> None:
    api.alert("x", key="k", now=scene.now)
    with transaction.atomic():
        api.resolve("k", now=scene.now)
        transaction.set_rollback(True)
    assert later.settle(10)
    assert Alert.objects.get().resolved_at is None


@pytest.mark.usefixtures("_written")
@pytest.mark.django_db(transaction=True)
def test_an_alert_that_the_database_did_not_take_is_written_when_it_does(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither raises, nor keeps an alert of another key waiting."""
    real, away = pipeline.raised, threading.Event()

    def sometimes(failure: Any, *rest: Any, **more: Any) -> Any:
        if failure.source == "late" and not away.is_set():
            raise OperationalError("gone")
        return real(failure, *rest, **more)

    monkeypatch.setattr(pipeline, "raised", sometimes)
    with transaction.atomic():
        api.alert("x", key="late", now=scene.now)
        api.alert("x", key="prompt", now=scene.now)
    assert api.alert("x", key="late", now=scene.now) is None
    until = time.monotonic() + 10
    while not Alert.objects.filter(source="prompt").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    assert not Alert.objects.filter(source="late").exists()

    away.set()
    assert later.settle(10)
    assert Alert.objects.get(source="late").count == 2


@pytest.mark.django_db(transaction=True)
def test_an_alert_that_can_never_be_written_is_said_at_the_last_resort(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, ...]] = []
    monkeypatch.setattr(last_resort, "say", lambda *words: said.append(words))
    monkeypatch.setattr(later, "LONGEST", 0.1)

    def never(*_: Any, **__: Any) -> None:
        raise ValueError("value too long")

    monkeypatch.setattr(pipeline, "raised", never)
    assert api.alert("Payout is late", key="k", now=scene.now) is None
    assert later.settle(10)
    [(_, headline, _)] = said
    assert headline == "This could not be recorded: Payout is late"


@pytest.mark.usefixtures("_written")
@pytest.mark.django_db(transaction=True)
def test_asynchronous_code_raises_and_resolves_as_any_other(scene: Scene) -> None:
    async def handle() -> None:
        api.alert("x", key="k", now=scene.now)
        api.alert("x", key="open", now=scene.now)
        api.resolve("k", now=scene.now)

    asyncio.run(handle())
    assert later.settle(10)
    assert list(Alert.objects.filter(resolved_at=None).values_list("source", flat=True)) == ["open"]
    assert Alert.objects.count() == 2


def test_a_process_that_ends_waits_for_what_is_not_written_yet() -> None:
    """The last statement of a script may be an alert in a transaction that is rolled back."""
    script = """
import time
from alerts_runtime.isolation import later

def slowly():
    time.sleep(0.5)
    print("written")

later.write("k", "x", slowly)
print("end")
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert found.stdout.split() == ["end", "written"]
