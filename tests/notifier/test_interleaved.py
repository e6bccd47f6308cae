"""The sender and the pipeline on one alert at once: at whichever statement the other comes in, nothing is lost.

One side runs in steps, and before each of its statements the whole of the other side happens. Where it has to wait for
a lock that the first side holds, it happens as soon as that is free, as it would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection

from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.facts import Reason, Severity
from notifier.flow import pipeline, silences
from notifier.judge.route import Routing, targets_of, try_routes
from notifier.models import Alert, Notification, Silence
from notifier.outbox import starting
from tests.notifier.conftest import Configure
from tests.notifier.scene import HOUR, MINUTE, OUTAGE, Scene, busy, drain, row_of

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 0.1  # seconds after which the other side is taken to wait for a lock
Deed = Callable[[Scene], object]


class Intruder:
    """Lets a deed happen, on a connection of its own, before one statement of this thread's."""

    def __init__(self, at: int, deed: Callable[[], object]) -> None:
        self.at, self.seen = at, 0
        self.errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(deed,), daemon=True)

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.seen == self.at:
            self._thread.start()
            self._thread.join(PATIENCE)
        self.seen += 1
        return execute(sql, params, many, context)

    def end(self) -> bool:
        """Whether the deed happened at all: False when there were fewer statements."""
        if self._thread.ident is None:
            return False
        self._thread.join(30)
        assert not self._thread.is_alive()
        assert self.errors == []
        return True

    def _run(self, deed: Callable[[], object]) -> None:
        try:
            deed()
        except BaseException as error:  # noqa: BLE001 - the test's thread raises it
            self.errors.append(error)
        finally:
            connection.close()


@contextmanager
def interrupted(at: int, deed: Callable[[], object]) -> Iterator[Intruder]:
    intruder = Intruder(at, deed)
    with connection.execute_wrapper(intruder):
        yield intruder


def _reset() -> None:
    Alert.objects.all().delete()
    Silence.objects.all().delete()
    memory.clear()


def interleave(
    configure: Configure, prepare: Callable[[Scene], object], first: Deed, second: Deed, check: Callable[[Scene], None]
) -> None:
    """Run `first`, with `second` at each of its statements in turn, and look each time that nothing is lost."""
    for at in range(200):
        _reset()
        scene = Scene()
        prepare(scene)
        with interrupted(at, partial(second, scene)) as intruder:
            first(scene)
        if not intruder.end():
            assert at >= 1, "nothing was interleaved"
            return
        check(scene)
    raise AssertionError("it never ends")


def told_within(span: timedelta) -> Callable[[Scene], None]:
    def check(scene: Scene) -> None:
        scene.pass_time(span, span / 4)
        for row in Notification.objects.exclude(route="").select_related("alert"):
            assert row.told_seq == row.alert.count, (row.due_at, row.reason, row.held_by)
            assert row.told_severity == row.alert.severity

    return check


def deliver(scene: Scene) -> None:
    drain(scene.courier("chat"))


def fail(scene: Scene) -> None:
    scene.fail(event_id="evt_b")


def fail_worse(scene: Scene) -> None:
    scene.fail(event_id="evt_b", will_retry=False)


def acknowledged_with_news(scene: Scene) -> None:
    alert = scene.alert(event_id="evt_a")
    deliver(scene)
    scene.fail(event_id="evt_a")
    pipeline.acknowledge(alert, "ada", scene.now, scene.now + 8 * HOUR)
    scene.clock.step(5 * MINUTE)


def test_what_became_critical_while_its_update_is_held_pages_at_once(configure: Configure) -> None:
    configure()
    interleave(configure, acknowledged_with_news, deliver, fail_worse, told_within(MINUTE))
    interleave(configure, acknowledged_with_news, fail_worse, deliver, told_within(MINUTE))


def resolved_and_untold(scene: Scene) -> None:
    silences.silence({"event": "*"}, until=scene.now + MINUTE, author="ada", comment="", now=scene.now)
    scene.fail(event_id="evt_a")
    deliver(scene)
    scene.recover("evt_a")
    scene.clock.step(MINUTE)


def test_what_opens_again_while_it_is_dropped_is_told(configure: Configure) -> None:
    configure()
    interleave(configure, resolved_and_untold, deliver, fail, told_within(MINUTE))
    interleave(configure, resolved_and_untold, fail, deliver, told_within(MINUTE))


def due_without_news(scene: Scene) -> None:
    scene.fail(event_id="evt_a")
    deliver(scene)
    alert = Alert.objects.get()
    row = row_of(alert)
    # A row that is due with nothing to tell: its news was taken back by whoever told it, or the clock was set.
    Notification.objects.filter(pk=row.pk).update(due_at=scene.now, reason="update")
    Alert.objects.update(planned_for=_key(alert))


def _key(alert: Alert) -> str:
    policy = get_policy()
    tried = try_routes(alert.subject, policy.routes)
    return Routing(Severity(alert.severity), tried, targets_of(tried, policy.channels)).key


@pytest.mark.parametrize("repeat", ["", "1h"])
def test_a_failure_while_a_row_without_news_is_put_off_is_told_within_its_window(
    configure: Configure, repeat: str
) -> None:
    configure(defaults={"repeat": repeat} if repeat else {})
    interleave(configure, due_without_news, deliver, fail, told_within(6 * MINUTE))
    interleave(configure, due_without_news, fail, deliver, told_within(6 * MINUTE))


def first_due(scene: Scene) -> None:
    scene.fail(event_id="evt_a")


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("deed", [fail, fail_worse])
def test_a_failure_while_a_message_goes_out_is_told(configure: Configure, deed: Deed, failing: bool) -> None:
    configure()

    def prepare(scene: Scene) -> None:
        first_due(scene)
        if failing:
            memory.fail_next(busy())

    interleave(configure, prepare, deliver, deed, told_within(8 * MINUTE))


def test_an_end_while_a_message_goes_out_is_told_or_neither_is(configure: Configure) -> None:
    configure()

    def check(scene: Scene) -> None:
        scene.pass_time(MINUTE, MINUTE)
        row = Notification.objects.get()
        assert row.due_at is None
        assert row.told_resolved or row.told_seq == 0

    interleave(configure, first_due, deliver, lambda scene: scene.recover("evt_a"), check)
    interleave(configure, first_due, lambda scene: scene.recover("evt_a"), deliver, check)


def silenced(scene: Scene) -> None:
    silences.silence({"event": "*"}, until=scene.now + 8 * HOUR, author="ada", comment="", now=scene.now)
    scene.fail()


def end_silences(scene: Scene) -> None:
    for silence in Silence.objects.all():
        silences.end(silence, scene.now)


def test_a_silence_that_ends_while_it_holds_something_lets_it_go(configure: Configure) -> None:
    configure()
    interleave(configure, silenced, deliver, end_silences, told_within(MINUTE))
    interleave(configure, silenced, end_silences, deliver, told_within(MINUTE))


def test_an_acknowledgement_that_is_made_shorter_while_it_holds_something_ends_then(configure: Configure) -> None:
    configure()

    def shorten(scene: Scene) -> None:
        pipeline.acknowledge(Alert.objects.get(), "ada", scene.now, scene.now + MINUTE)

    interleave(configure, acknowledged_with_news, deliver, shorten, told_within(2 * MINUTE))
    interleave(configure, acknowledged_with_news, shorten, deliver, told_within(2 * MINUTE))


def inhibited(scene: Scene) -> None:
    scene.fail(exceptions=OUTAGE, attempt=2, event_id="evt_p")
    scene.fail(event_id="evt_b")


def test_a_parent_that_ends_while_its_child_is_held_lets_it_go(configure: Configure) -> None:
    rule = {"parent": {"category": "database"}, "child": {"category": "code"}}
    configure(inhibit=[rule])

    def check(scene: Scene) -> None:
        scene.pass_time(MINUTE, MINUTE)
        child = Alert.objects.get(category="code")
        assert row_of(child).told_seq == 1, row_of(child).held_by

    interleave(configure, inhibited, deliver, lambda scene: scene.recover("evt_p"), check)
    interleave(configure, inhibited, lambda scene: scene.recover("evt_p"), deliver, check)


def test_a_message_is_not_begun_for_a_row_that_has_changed_since_it_was_judged(scene: Scene) -> None:
    scene.fail()
    row = Notification.objects.select_related("alert", "target").get()
    part = starting.Part(row, Reason.FIRST, 1, Severity.ERROR)
    Notification.objects.update(due_at=row.due_at + MINUTE)  # type: ignore[operator]  # it is due
    one = starting.Try(Reason.FIRST, "ref", "text", [part])
    assert starting.start(row.target, row.target.token, [one], scene.now) == []
    assert Notification.objects.get().sending_id is None
