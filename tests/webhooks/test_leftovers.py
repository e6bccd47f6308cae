"""What a handler leaves behind in its thread: the next event finds none of it."""

from __future__ import annotations

import decimal
import locale
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.utils import timezone, translation

from tests.webhooks.conftest import Connect
from tests.webhooks.stripe_side import received
from webhooks import events, signals
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.models import Failure, WebhookEvent
from webhooks.process import arm, claim, processing

pytestmark = pytest.mark.django_db(transaction=True)


def work() -> None:
    assert processing.process_due()


def ask(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def tell(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


CONTEXT: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "language": (lambda: translation.activate("fr"), translation.get_language),
    "time zone": (lambda: timezone.activate(ZoneInfo("Asia/Tokyo")), timezone.get_current_timezone_name),
    "decimal context": (lambda: setattr(decimal.getcontext(), "prec", 3), lambda: decimal.getcontext().prec),
    "log context": (lambda: structlog.contextvars.bind_contextvars(a=1), structlog.contextvars.get_contextvars),
    "locale": (lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"), lambda: locale.setlocale(locale.LC_ALL)),
    "autocommit": (lambda: transaction.set_autocommit(False), lambda: connection.get_autocommit()),
}
SESSION: dict[str, dict[str, tuple[str, str]]] = {
    "postgresql": {
        "SET": ("SET search_path = pg_catalog, public", "SHOW search_path"),
        "set_config": ("SELECT set_config('work_mem', '7777kB', false)", "SHOW work_mem"),
        "time zone": ("set time zone 'Asia/Tokyo'", "SHOW timezone"),
        "temporary table": ("CREATE TEMP TABLE left_here (a int)", "SELECT to_regclass('left_here')"),
        "advisory lock": (
            "SELECT pg_advisory_lock(42)",
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
        ),
        "LISTEN": ("LISTEN left_here", "SELECT count(*) FROM pg_listening_channels()"),
    },
    "sqlite": {
        "PRAGMA": ("PRAGMA cache_size = 77", "PRAGMA cache_size"),
        "temporary table": ("CREATE TEMP TABLE left_here (a int)", "SELECT count(*) FROM sqlite_temp_master"),
    },
}


@pytest.mark.parametrize("what", CONTEXT)
@pytest.mark.parametrize("fails", [False, True], ids=["that succeeds", "that fails"])
def test_context_ends_with_the_event(what: str, fails: bool) -> None:
    change, read = CONTEXT[what]
    before = read()
    seen: list[object] = []

    @on("*", atomic=False)
    def handle(event: StripeEvent) -> None:
        seen.append(read())
        change()
        seen.append(read())
        if fails:
            raise ValueError

    for _ in range(2):
        received()
        work()
    assert seen[::2] == [before, before]
    assert seen[1] != before or what == "locale"  # the machine's locale may be that one
    assert read() == before


@pytest.mark.parametrize("what", sorted({name for names in SESSION.values() for name in names}))
@pytest.mark.parametrize("atomic", [True, False], ids=["atomic", "outside"])
def test_settings_of_the_session_end_with_the_event(what: str, atomic: bool) -> None:
    if what not in SESSION[connection.vendor]:
        pytest.skip(f"{connection.vendor} has no {what}")
    change, read = SESSION[connection.vendor][what]
    before = ask(read)

    @on("*", atomic=atomic)
    def handle(event: StripeEvent) -> None:
        assert ask(read) == before
        tell(change)
        assert what == "LISTEN" or ask(read) != before  # which begins with the commit

    for _ in range(2):
        received()
        work()
    assert not Failure.objects.exists()
    assert ask(read) == before


def test_the_session_is_kept_when_a_handler_changes_nothing_that_outlives_its_transaction() -> None:
    sessions: list[object] = []

    @on("*")
    def handle(event: StripeEvent) -> None:
        sessions.append(connection.connection)
        Group.objects.create(name=event.id)
        if connection.vendor == "postgresql":
            tell("SET LOCAL statement_timeout = '3s'")
            tell("SELECT set_config('statement_timeout', '3s', true)")

    for _ in range(2):
        received()
        work()
    assert sessions[0] is sessions[1]


def test_an_open_cursor_is_closed() -> None:
    left: list[Any] = []

    @on("*", atomic=False)
    def handle(event: StripeEvent) -> None:
        cursor = connection.cursor()
        cursor.execute("SELECT 1 UNION SELECT 2")
        left.append(cursor)

    received()
    work()
    with pytest.raises(Exception, match="closed"):
        left[0].fetchone()


def _swallow() -> None:
    transaction.set_rollback(True)


BROKEN: dict[str, tuple[Callable[[], None], str]] = {
    "set_rollback": (_swallow, "broke the transaction"),
    "ROLLBACK": (lambda: tell("ROLLBACK"), "ended the transaction by hand"),
    "COMMIT": (lambda: tell("COMMIT"), "ended the transaction by hand"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_rollback_that_was_swallowed_is_a_failure_that_names_the_handler(what: str) -> None:
    """Else the event would count as processed, and nothing of it would be there."""
    do, said = BROKEN[what]

    @on("*")
    def undo(event: StripeEvent) -> None:
        do()

    row = received()
    work()
    row.refresh_from_db()
    failure = Failure.objects.get()
    assert row.state == "pending"
    assert "undo" in failure.message
    assert said in failure.message
    assert failure.exception.endswith("TransactionManagementError")
    received("a.b")
    assert claim.claim(timezone.now())  # the connection works


def test_a_transaction_that_is_left_open_is_a_failure_and_not_the_next_events() -> None:
    @on("*", atomic=False)
    def open_one(event: StripeEvent) -> None:
        transaction.set_autocommit(False)
        Group.objects.create(name="x")

    row = received()
    work()
    row.refresh_from_db()
    assert row.state == "pending"
    assert "left a transaction open" in Failure.objects.get().message
    assert not Group.objects.exists()


def test_each_handler_gets_the_payload_as_stripe_sent_it(connect: Connect) -> None:
    seen: list[Any] = []
    connect(signals.webhook_processing_error, lambda event, data, **_: seen.append(data["data"]["object"]["id"]))

    for atomic in (False, True, True):

        @on("*", atomic=atomic)
        def handle(event: StripeEvent) -> None:
            seen.append(event.object["id"])
            event.object["id"] = "changed"
            if len(seen) == 3:
                raise ValueError

    received("invoice.paid")
    work()
    assert len(set(seen)) == 1
    assert len(seen) == 4


def test_one_handler_costs_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[StripeEvent] = []
    on("*")(seen.append)
    parsed: list[StripeEvent] = []
    parse = events.parse

    def note(body: str, endpoint: str) -> StripeEvent:
        parsed.append(parse(body, endpoint))
        return parsed[-1]

    received()
    monkeypatch.setattr(events, "parse", note)
    work()
    assert len(parsed) == 1
    assert seen[0] is parsed[0]


def test_a_sites_lower_statement_timeout_is_never_raised() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no statement_timeout")
    seen: list[str] = []
    on("*")(lambda event: seen.append(ask("SHOW statement_timeout")))
    for site in ("5s", "900ms", "0", "2h"):
        tell(f"SET statement_timeout = '{site}'")
        received()
        work()
    tell("SET statement_timeout = 0")
    assert seen == ["5s", "900ms", "15min", "15min"]


def test_pruning_reads_no_bodies() -> None:
    for _ in range(2):
        received()
        work()
    asked: list[str] = []

    def look(execute: Any, sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(look):
        assert arm.prune(timezone.now()) == (2, 0)
    assert not [sql for sql in asked if '"body"' in sql]
    assert not WebhookEvent.objects.exists()


def test_an_async_receiver_is_run_and_a_generator_one_is_refused(connect: Connect) -> None:
    def receive(**_: Any) -> Any:
        yield

    connect(signals.webhook_post_process, receive)
    received()
    work()
    assert "its work was not done" in Failure.objects.get().message
