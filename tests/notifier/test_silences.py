"""A silence that is changed holds what it says now: what it held is judged again, wherever the change was made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from notifier.delivery import tick
from notifier.facts import HeldBy
from notifier.flow import silences
from notifier.judge import guards
from notifier.models import Silence
from notifier.outbox import holding
from tests.notifier.scene import HOUR, MINUTE, Scene, reasons, row_of

pytestmark = pytest.mark.django_db
INVOICES = '{"event": "invoice.*"}'


@pytest.fixture
def browser(client: Client, scene: Scene) -> Iterator[Client]:
    client.force_login(User.objects.create_superuser("ada"))
    with time_machine.travel(scene.now, tick=False):
        yield client


def post(browser: Client, matcher: str, starts: datetime, ends: datetime, row: Silence | None = None) -> Silence:
    """Save the form as the admin shows it."""
    name = "admin:swa_notifier_silence_change" if row else "admin:swa_notifier_silence_add"
    times = {"starts_at": starts, "ends_at": ends}
    fields = {
        f"{key}_{place}": at.strftime(("%Y-%m-%d", "%H:%M:%S")[place]) for key, at in times.items() for place in (0, 1)
    }
    answer = browser.post(
        reverse(name, args=[row.pk] if row else []), {"matcher": matcher, "comment": "known"} | fields
    )
    assert answer.status_code == 302, answer.context["adminform"].errors
    return Silence.objects.latest("pk")


def test_a_silence_that_is_shortened_in_the_admin_ends_when_it_says(scene: Scene, browser: Client) -> None:
    row = post(browser, INVOICES, scene.now, scene.now + 24 * HOUR)
    alert = scene.alert()
    assert scene.deliver() == []
    assert row_of(alert).held_words == f"silence {row.pk}"

    post(browser, INVOICES, scene.now, scene.now + 10 * MINUTE, row)
    assert scene.pass_time(9 * MINUTE) == []
    assert reasons(scene.pass_time(MINUTE)) == ["first"]


@pytest.mark.parametrize("matcher", ['{"event": "customer.*"}', '{"event": "invoice.*", "livemode": false}'])
def test_what_a_changed_silence_no_longer_matches_is_told_at_once(scene: Scene, browser: Client, matcher: str) -> None:
    row = post(browser, INVOICES, scene.now, scene.now + 24 * HOUR)
    scene.fail()
    assert scene.deliver() == []

    post(browser, matcher, scene.now, scene.now + 24 * HOUR, row)
    assert reasons(scene.deliver()) == ["first"]


def test_a_silence_that_begins_later_than_it_did_holds_nothing_until_then(scene: Scene, browser: Client) -> None:
    row = post(browser, INVOICES, scene.now, scene.now + 24 * HOUR)
    scene.fail()
    assert scene.deliver() == []

    post(browser, INVOICES, scene.now + HOUR, scene.now + 24 * HOUR, row)
    assert reasons(scene.deliver()) == ["first"]


def test_a_silence_that_is_widened_or_lengthened_holds_what_it_now_says(scene: Scene, browser: Client) -> None:
    row = post(browser, '{"event": "customer.*"}', scene.now, scene.now + HOUR)
    post(browser, '{"event": ["customer.*", "invoice.*"]}', scene.now, scene.now + HOUR, row)
    scene.fail()
    assert scene.deliver() == []

    post(browser, INVOICES, scene.now, scene.now + 2 * HOUR, row)
    assert scene.pass_time(119 * MINUTE) == []
    assert reasons(scene.pass_time(MINUTE)) == ["first"]


def test_the_admin_keeps_who_silenced_and_refuses_what_the_command_refuses(scene: Scene, browser: Client) -> None:
    row = post(browser, INVOICES, scene.now, scene.now + HOUR)
    assert (row.author, row.created_at) == ("ada", scene.now)
    page = reverse("admin:swa_notifier_silence_change", args=[row.pk])
    fields = {"comment": "x", "starts_at_0": "2026-11-23", "starts_at_1": "12:00", "ends_at_1": "12:00:00"}
    for matcher, ends, says in (
        ("{}", "2026-11-24", "This field is required"),
        ('["invoice.*"]', "2026-11-24", "must say what it silences"),
        ('{"event": "\\u0000"}', "2026-11-24", "cannot be stored"),
        ('{"event": "\\ud800"}', "2026-11-24", "cannot be stored"),
        (INVOICES, "2026-11-23", "must end later than it begins"),
        (INVOICES, "9999-12-31", "may last 100 years at most"),
    ):
        answer = browser.post(page, {"matcher": matcher, "ends_at_0": ends} | fields)
        assert answer.status_code == 200
        assert says in answer.content.decode()
    row.refresh_from_db()
    assert row.ends_at == scene.now + HOUR


def test_a_message_that_is_held_while_its_silence_changes_is_judged_again_soon(scene: Scene) -> None:
    """The courier has read the silence as it was, and writes its hold after the change."""
    row = silences.silence({"event": "invoice.*"}, until=scene.now + 24 * HOUR, author="ada", comment="", now=scene.now)
    alert = scene.alert()
    until = row.ends_at
    row.ends_at = scene.now + 10 * MINUTE
    assert silences.write(row, scene.now) == 0
    holding.hold(row_of(alert), guards.hold(HeldBy.SILENCE, until, row.pk), scene.now)

    tick.release_outdated(scene.now)
    assert scene.deliver() == []
    assert row_of(alert).due_at == scene.now + 10 * MINUTE
    tick.release_outdated(scene.now)
    assert row_of(alert).due_at == scene.now + 10 * MINUTE


@pytest.mark.parametrize("change", ["deleted", "ended", "shortened"])
def test_a_change_past_the_module_is_noticed_too(scene: Scene, change: str) -> None:
    row = silences.silence({"event": "invoice.*"}, until=scene.now + 24 * HOUR, author="ada", comment="", now=scene.now)
    scene.fail()
    assert scene.deliver() == []
    rows = Silence.objects.filter(pk=row.pk)
    if change == "deleted":
        rows.delete()
    else:
        rows.update(ends_at=scene.now + (timedelta(0) if change == "ended" else 10 * MINUTE))
    tick.release_outdated(scene.now)
    assert reasons(scene.pass_time(10 * MINUTE)) == ["first"]


def test_long_names_and_comments_are_cut_to_their_columns(scene: Scene) -> None:
    row = silences.silence(
        {"event": "x"}, until=scene.now + HOUR, author="a" * 300, comment="\0" + "c " * 900, now=scene.now
    )
    row.refresh_from_db()
    assert len(row.author) <= 150
    assert len(row.comment) <= 500
