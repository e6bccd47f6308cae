"""From a failure to a plan, with a database: what is counted, what is opened, and who is to hear of it."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoCaptureOnCommitCallbacks

from notifier import api
from notifier.channels import memory
from notifier.delivery import tick
from notifier.facts import Severity
from notifier.flow import pipeline, silences
from notifier.intake import webhooks as inbound
from notifier.models import Alert, Notification, Occurrence
from tests.notifier.conftest import Configure
from tests.notifier.scene import HOUR, MINUTE, NOON, OUTAGE, SECOND, Scene, a_failure, reasons, row_of
from webhooks import events, samples
from webhooks.models import Failure as FailureRow
from webhooks.models import WebhookEvent
from webhooks.process import announcements
from webhooks.process.errors import describe
from webhooks.signals import send_safely, webhook_post_process

pytestmark = pytest.mark.django_db

DATABASE_DOWN = {"parent": {"category": "database", "severity": ">=error"}, "child": {"category": "code"}}


# --- counting -----------------------------------------------------------------------------------------------------


def test_a_failure_opens_an_alert_with_a_message_due_at_once(scene: Scene) -> None:
    alert = scene.alert()

    assert (alert.count, alert.severity, alert.amount, alert.currency) == (1, Severity.ERROR, 125_000, "eur")
    row = row_of(alert)
    assert (row.due_at, row.reason, row.told_seq) == (NOON, "first", 0)


def test_a_failure_told_twice_counts_once(scene: Scene) -> None:
    failure = a_failure(scene.now)
    first = pipeline.failed(failure, scene.now)
    again = pipeline.failed(failure, scene.now + MINUTE)

    assert first is not None
    assert again is None
    assert list(Alert.objects.values_list("count", flat=True)) == [1]
    assert Occurrence.objects.count() == 1
    assert reasons(scene.deliver()) == ["first"]


def test_failures_of_one_fingerprint_are_one_alert_numbered_without_a_gap(scene: Scene) -> None:
    for _ in range(5):
        scene.fail()

    alert = Alert.objects.get()
    assert alert.count == 5
    assert list(alert.occurrences.order_by("pk").values_list("seq", flat=True)) == [1, 2, 3, 4, 5]


def test_what_a_rule_ignores_leaves_nothing(scene: Scene, configure: Configure) -> None:
    configure(classify=[{"match": {"exception": "KeyError"}, "ignore": True}])

    assert scene.fail() is None
    assert not Alert.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_threads_that_open_one_alert_at_once_open_one(scene: Scene) -> None:
    threads, each = 4, 5
    begin = threading.Barrier(threads)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            begin.wait()
            for _ in range(each):
                scene.fail()
        except BaseException as error:  # noqa: BLE001 - the test's own thread reports it
            errors.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert errors == []
    alert = Alert.objects.get()
    assert alert.count == threads * each
    assert sorted(alert.occurrences.values_list("seq", flat=True)) == list(range(1, threads * each + 1))
    assert Notification.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_failure_announced_by_two_threads_at_once_counts_once(scene: Scene) -> None:
    scene.fail()
    failure = a_failure(scene.now)
    begin, results = threading.Barrier(2), list[object]()

    def work() -> None:
        try:
            begin.wait()
            results.append(pipeline.failed(failure, scene.now))
        except BaseException as error:  # noqa: BLE001 - the test's own thread reports it
            results.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(type(result).__name__ for result in results) == ["NoneType", "Recorded"]
    assert Alert.objects.get().count == 2


def test_a_storm_costs_two_statements_a_failure(scene: Scene) -> None:
    scene.fail()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for _ in range(10):
            scene.fail()

    assert statements(queries) == 20


def test_a_storm_costs_two_statements_also_after_it_was_told(scene: Scene) -> None:
    scene.fail()
    scene.deliver()
    scene.fail()  # plans the update
    with CaptureQueriesContext(connection) as queries:
        scene.fail()

    assert statements(queries) == 2


def statements(queries: CaptureQueriesContext) -> int:
    """Without those that only mark a transaction's ends."""
    marks = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
    return sum(not query["sql"].startswith(marks) for query in queries.captured_queries)


# --- severity -----------------------------------------------------------------------------------------------------


def test_a_worse_failure_raises_the_alert_and_is_told_at_once(scene: Scene) -> None:
    scene.fail()
    scene.deliver()
    scene.clock.step(SECOND)
    alert = scene.alert(will_retry=False)

    assert alert.severity == Severity.CRITICAL
    assert reasons(scene.deliver()) == ["raised"]


def test_a_milder_failure_does_not_lower_it_and_goes_the_way_of_the_worst(scene: Scene, configure: Configure) -> None:
    configure(
        channels={"chat": {"BACKEND": "memory"}, "page": {"BACKEND": "memory"}},
        routes={"critical": ["page"], "*": ["chat"]},
    )
    scene.fail(will_retry=False)
    alert = scene.alert()

    assert alert.severity == Severity.CRITICAL
    assert set(Notification.objects.values_list("target__channel", flat=True)) == {"page"}


def test_a_raised_severity_brings_in_who_hears_only_of_the_worse(scene: Scene, configure: Configure) -> None:
    configure(
        channels={"chat": {"BACKEND": "memory"}, "page": {"BACKEND": "memory"}},
        routes={"critical": ["page"], "*": ["chat"]},
    )
    scene.fail()
    scene.deliver()
    scene.fail(will_retry=False)

    assert sorted((sent.address, str(sent.message.reason)) for sent in scene.deliver()) == [
        ("chat", "raised"),
        ("page", "first"),
    ]


def test_what_got_worse_is_told_as_the_worse_route_says(scene: Scene, configure: Configure) -> None:
    configure(
        routes=[
            {"name": "outage", "match": {"severity": "critical"}, "to": ["chat"], "repeat": "1h"},
            {"name": "rest", "to": ["chat"], "resolved": False},
        ],
    )
    alert = scene.alert(event_id="evt_worse")
    scene.deliver()
    assert row_of(alert).route == "rest"

    scene.fail(event_id="evt_worse", will_retry=False)
    scene.deliver()
    assert row_of(alert).route == "outage"
    assert "repeat" in reasons(scene.pass_time(2 * HOUR))
    scene.recover("evt_worse")
    assert reasons(scene.deliver()) == ["resolved"]


def test_a_first_message_held_over_night_goes_at_once_when_it_becomes_critical(
    scene: Scene, configure: Configure
) -> None:
    configure(quiet_hours={"night": {"HOURS": "11:00-13:00", "CHANNELS": ["chat"], "UNLESS": "critical"}})
    alert = scene.alert()
    assert scene.deliver() == []
    assert row_of(alert).held_words == "quiet hours night"

    scene.clock.step(MINUTE)
    scene.fail(will_retry=False)
    [sent] = scene.deliver()
    assert (sent.message.reason, sent.message.severity) == ("first", Severity.CRITICAL)


# --- over, and again ----------------------------------------------------------------------------------------------


def test_an_alert_is_over_only_when_all_its_events_are_processed(scene: Scene) -> None:
    for event in ("evt_a", "evt_a", "evt_b"):
        scene.fail(event_id=event)
    scene.deliver()

    assert scene.recover("evt_a") == []
    assert Alert.objects.get().resolved_at is None
    [over] = scene.recover("evt_b", "replay")
    assert over.resolved_how == "by replay"
    assert reasons(scene.deliver()) == ["resolved"]


def test_a_recovery_of_an_event_that_never_failed_changes_nothing(scene: Scene) -> None:
    scene.fail()
    assert scene.recover("evt_unknown") == []
    assert Alert.objects.get().resolved_at is None


def test_what_fails_again_within_the_quiet_period_is_the_same_alert(scene: Scene) -> None:
    alert = scene.alert(event_id="evt_a")
    scene.deliver()
    scene.recover("evt_a")
    assert reasons(scene.deliver()) == ["resolved"]

    scene.clock.step(29 * MINUTE)
    assert scene.alert() == alert
    alert.refresh_from_db()
    assert (alert.count, alert.resolved_at, alert.opened_at) == (2, None, scene.now)
    assert reasons(scene.deliver()) == ["reopened"]


def test_what_flaps_is_not_told_at_every_turn(scene: Scene) -> None:
    for _ in range(10):
        alert = scene.alert(event_id="evt_a")
        scene.deliver()
        scene.recover("evt_a")
        scene.deliver()
        scene.clock.step(10 * SECOND)

    # One beginning, one end; in the 100 seconds since, the window of five minutes holds the news that it is back.
    assert reasons(memory.outbox) == ["first", "resolved"]
    assert alert.count == 10


def test_what_fails_again_after_the_quiet_period_is_a_new_alert(scene: Scene) -> None:
    alert = scene.alert(event_id="evt_a")
    scene.deliver()
    scene.recover("evt_a")
    scene.deliver()

    scene.clock.step(31 * MINUTE)
    other = scene.alert()
    assert other != alert
    assert other.count == 1
    assert reasons(scene.deliver()) == ["first"]


def test_ending_an_alert_twice_tells_once(scene: Scene) -> None:
    alert = scene.alert()
    scene.deliver()

    assert pipeline.resolve(alert, "by hand", scene.now) is True
    assert pipeline.resolve(alert, "by hand", scene.now) is False
    assert reasons(scene.deliver()) == ["resolved"]


# --- acknowledgement ----------------------------------------------------------------------------------------------


def test_an_acknowledgement_holds_updates_and_what_it_held_is_told_when_it_runs_out(scene: Scene) -> None:
    alert = scene.alert()
    scene.deliver()
    assert pipeline.acknowledge(alert, "ada", scene.now, scene.now + HOUR)
    for _ in range(3):
        scene.fail()

    assert scene.pass_time(59 * MINUTE) == []
    assert row_of(alert).held_words == "acknowledged"
    assert reasons(scene.pass_time(MINUTE)) == ["update"]
    assert row_of(alert).told_seq == 4


def test_an_acknowledged_outage_never_hides_another_services(scene: Scene) -> None:
    away = {"exceptions": ("requests.exceptions.ConnectionError", "OSError"), "kind": "network", "transient": True}
    taxes = scene.alert(**away, peer="tax.example.com", attempt=2)
    scene.deliver()
    pipeline.acknowledge(taxes, "ada", scene.now)
    scene.alert(**away, peer="tax.example.com", attempt=2)
    assert scene.deliver() == []

    scene.alert(**away, peer="crm.example.com", attempt=2)

    (sent,) = scene.deliver()
    assert "crm.example.com is unreachable" in sent.message.title


def test_a_handlers_group_is_told_with_its_parts(scene: Scene) -> None:
    def handler() -> None:
        part = KeyError("amount")
        part.add_note("for line 3")
        raise ExceptionGroup("2 lines failed", [TimeoutError("no answer"), part])

    try:
        handler()
    except ExceptionGroup as error:
        found = describe(error)
    scene.alert(
        exceptions=(found.exception, *found.bases), message=found.message, kind=found.kind, transient=found.transient
    )

    (sent,) = scene.deliver()
    assert "a bug in the handler (KeyError)" in sent.message.title
    for said in ("TimeoutError: no answer", "KeyError: 'amount'", "note: for line 3"):
        assert said in sent.message.text


def test_worse_than_what_was_acknowledged_is_told_at_once(scene: Scene) -> None:
    alert = scene.alert()
    scene.deliver()
    pipeline.acknowledge(alert, "ada", scene.now)
    scene.fail(will_retry=False)

    assert reasons(scene.deliver()) == ["raised"]


def test_an_acknowledged_alert_that_is_over_is_told_so(scene: Scene) -> None:
    alert = scene.alert(event_id="evt_a")
    scene.deliver()
    pipeline.acknowledge(alert, "ada", scene.now)
    scene.recover("evt_a")

    assert reasons(scene.deliver()) == ["resolved"]


def test_what_is_over_cannot_be_acknowledged(scene: Scene) -> None:
    alert = scene.alert(event_id="evt_a")
    scene.recover("evt_a")

    assert pipeline.acknowledge(alert, "ada", scene.now) is False


# --- inhibition ---------------------------------------------------------------------------------------------------


def test_children_of_an_open_parent_are_held_counted_in_it_and_released_at_its_end(
    scene: Scene, configure: Configure
) -> None:
    configure(inhibit=[DATABASE_DOWN])
    parent = scene.alert(exceptions=OUTAGE, attempt=2, event_id="evt_p")
    child = scene.alert()
    scene.fail()
    child.refresh_from_db()
    assert child.inhibited_by_id == parent.pk

    [told] = scene.deliver()
    assert told.message.title.startswith("invoice.paid cannot be processed: database")
    assert "1 alert, 2 failures" in told.message.text
    assert row_of(child).held_words == f"inhibited by alert {parent.pk}"

    scene.clock.step(MINUTE)
    scene.recover("evt_p")
    assert sorted(reasons(scene.deliver())) == ["first", "resolved"]
    assert row_of(child).told_seq == 2


def test_a_parent_that_opens_later_holds_what_is_open(scene: Scene, configure: Configure) -> None:
    configure(inhibit=[DATABASE_DOWN])
    child = scene.alert()
    parent = scene.alert(exceptions=OUTAGE, attempt=2)

    child.refresh_from_db()
    assert child.inhibited_by_id == parent.pk
    assert len(scene.deliver()) == 1


def test_an_alert_that_becomes_a_parent_when_it_grows_worse_holds_what_is_open(
    scene: Scene, configure: Configure
) -> None:
    configure(inhibit=[DATABASE_DOWN])
    child = scene.alert()
    parent = scene.alert(exceptions=OUTAGE, attempt=1)  # a first transient failure is only a warning
    child.refresh_from_db()
    assert child.inhibited_by_id is None

    scene.fail(exceptions=OUTAGE, attempt=2)
    child.refresh_from_db()
    assert child.inhibited_by_id == parent.pk


def test_a_parent_that_opens_again_holds_its_children_again(scene: Scene, configure: Configure) -> None:
    configure(inhibit=[DATABASE_DOWN])
    parent = scene.alert(exceptions=OUTAGE, attempt=2, event_id="evt_p")
    child = scene.alert()
    scene.recover("evt_p")
    child.refresh_from_db()
    assert child.inhibited_by_id is None

    scene.fail(exceptions=OUTAGE, attempt=2)
    child.refresh_from_db()
    assert child.inhibited_by_id == parent.pk


def test_a_child_of_another_mode_is_not_held(scene: Scene, configure: Configure) -> None:
    configure(inhibit=[DATABASE_DOWN])
    scene.fail(exceptions=OUTAGE, attempt=2)
    other = scene.alert(livemode=False)

    assert other.inhibited_by_id is None


@pytest.mark.parametrize("first", ["parent", "child"])
def test_a_child_of_another_account_is_not_held(scene: Scene, configure: Configure, first: str) -> None:
    configure(inhibit=[DATABASE_DOWN])
    if first == "parent":
        scene.fail(exceptions=OUTAGE, attempt=2, account="acct_1")
    other, same = scene.alert(account="acct_2"), scene.alert(account="acct_1")
    if first == "child":
        scene.fail(exceptions=OUTAGE, attempt=2, account="acct_1")
    other.refresh_from_db()
    same.refresh_from_db()
    assert other.inhibited_by_id is None
    assert same.inhibited_by_id is not None


def test_what_an_ended_alert_still_holds_is_released(scene: Scene, configure: Configure) -> None:
    configure(inhibit=[DATABASE_DOWN])
    parent = scene.alert(exceptions=OUTAGE, attempt=2, event_id="evt_p")
    child = scene.alert()
    scene.deliver()
    scene.recover("evt_p")
    scene.deliver()
    # As if it had begun to hold at the moment at which it ended.
    Alert.objects.filter(pk=child.pk).update(inhibited_by=parent)
    scene.fail()
    tick.release_outdated(scene.now)
    child.refresh_from_db()
    assert child.inhibited_by_id is None


# --- other code of the site ---------------------------------------------------------------------------------------


def test_calls_with_one_key_are_one_alert_and_once_counts_once(scene: Scene) -> None:
    for once in ("a", "a", "b"):
        api.alert("Payout is late", key="payouts", severity="critical", once=once, now=scene.now)

    alert = Alert.objects.get()
    assert (alert.count, alert.source, alert.severity) == (2, "payouts", Severity.CRITICAL)
    assert api.resolve("payouts", now=scene.now) == 1
    assert api.resolve("payouts", now=scene.now) == 0


@pytest.mark.parametrize("wrong", [{"severity": "awful"}, {"category": "weather"}])
def test_an_unknown_severity_or_category_is_refused(scene: Scene, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="neither a severity nor a category"):
        api.alert("x", key="x", **wrong)  # type: ignore[arg-type]  # the table's values


def test_a_database_that_is_away_does_not_break_who_raises_an_alert(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(pipeline, "raised", away)
    assert api.alert("x", key="x") is None


@pytest.mark.parametrize(
    ("match", "until", "says"),
    [
        ({}, HOUR, "must say what it silences"),
        ({"event": "invoice.*"}, timedelta(0), "end later than it begins"),
        ({"evnt": "invoice.*"}, HOUR, "event"),
    ],
)
def test_a_bad_silence_is_refused_in_a_sentence(
    scene: Scene, match: dict[str, str], until: timedelta, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        silences.silence(match, until=NOON + until, author="ada", comment="", now=NOON)


# --- receivers ----------------------------------------------------------------------------------------------------


def an_event(at: datetime = NOON, **values: Any) -> WebhookEvent:
    number = WebhookEvent.objects.count()
    known: dict[str, Any] = {
        "event_id": f"evt_{number}",
        "type": "invoice.paid",
        "kind": WebhookEvent.Kind.SNAPSHOT,
        "endpoint": "default",
        "livemode": True,
        "created": at,
        "received_at": at,
        "body": json.dumps(samples.snapshot("invoice.paid", event_id=f"evt_{number}", livemode=True)),
    }
    return WebhookEvent.objects.create(**known | values)


def a_failed_attempt(event: WebhookEvent, **values: Any) -> FailureRow:
    known: dict[str, Any] = {
        "event": event,
        "attempt": 1,
        "max_attempts": 12,
        "occurred_at": NOON,
        "exception": "builtins.KeyError",
        "bases": ["builtins.LookupError", "builtins.Exception"],
        "message": "'plan'",
        "will_retry": True,
    }
    return FailureRow.objects.create(**known | values)


@pytest.mark.usefixtures("scene")
def test_a_failed_attempt_that_is_announced_twice_counts_once() -> None:
    failure = a_failed_attempt(an_event())
    for _ in range(2):
        announcements.announce(failure, KeyError("plan"))

    alert = Alert.objects.get()
    assert (alert.count, alert.event_type, alert.exceptions) == (
        1,
        "invoice.paid",
        ["KeyError", "LookupError", "Exception"],
    )


@pytest.mark.usefixtures("scene")
def test_an_event_that_is_processed_after_a_failure_ends_its_alert(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    event = an_event(attempts=2)
    announcements.announce(a_failed_attempt(event), KeyError("plan"))
    parsed = events.parse(event.body, event.endpoint)
    with django_capture_on_commit_callbacks(execute=True):
        assert send_safely(webhook_post_process, instance=event, event=parsed) == []

    assert Alert.objects.get().resolved_how == "by retry"
    assert Occurrence.objects.get().recovered_how == "retry"


@pytest.mark.usefixtures("scene")
def test_a_notifier_that_fails_breaks_no_webhook_and_is_told_of_the_failure_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event = an_event()
    failure = a_failed_attempt(event)

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "failed", away)
        announcements.announce(failure, KeyError("plan"))
    failure.refresh_from_db()
    assert failure.announced_at is None
    assert not Alert.objects.exists()

    announcements.again(failure)
    assert Alert.objects.get().count == 1
    failure.refresh_from_db()
    assert failure.announced_at is not None


@pytest.mark.usefixtures("scene")
def test_a_recovery_that_was_missed_is_found() -> None:
    event = an_event()
    announcements.announce(a_failed_attempt(event), KeyError("plan"))
    WebhookEvent.objects.update(state=WebhookEvent.State.PROCESSED, attempts=2)

    assert inbound.reconcile(0, NOON + MINUTE) == 0
    assert Alert.objects.get().resolved_how == "by retry"
