"""A handover is a row when it happens: what was, stays, whatever the settings say later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from notifier.config.conf import get_policy
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import Policy
from notifier.models import Handover
from notifier.oncall import handovers, overrides
from notifier.oncall.duty import duty_at, shifts_between
from tests.notifier.conftest import Configure
from tests.notifier.oncall.conftest import PAYMENTS, PEOPLE
from tests.notifier.oncall.rotations import utc

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def look(*times: str) -> None:
    for text in times:
        handovers.record(get_policy(), utc(text))


def rows() -> list[tuple[str, str]]:
    return [(f"{row.at:%Y-%m-%d %H:%M}", row.person) for row in Handover.objects.order_by("at")]


def change(configure: Configure, **rotation: Any) -> Rotation:
    configure(people=PEOPLE, oncall={"payments": PAYMENTS | rotation})
    return get_policy().rotations["payments"]


@pytest.mark.usefixtures("site")
def test_a_handover_is_written_down_once_and_at_its_own_time() -> None:
    look("2026-01-12 07:59", "2026-01-12 08:00", "2026-01-12 08:00:05", "2026-01-12 08:00:05", "2026-01-12 12:00")
    assert rows() == [("2026-01-12 07:59", "alice"), ("2026-01-12 08:00", "bob")]


@pytest.mark.usefixtures("site")
def test_what_was_handed_over_while_no_worker_looked_has_its_own_times_too() -> None:
    look("2026-01-06 12:00", "2026-01-27 12:00")
    assert rows()[1:] == [("2026-01-12 08:00", "bob"), ("2026-01-19 08:00", "alice"), ("2026-01-26 08:00", "bob")]


def test_an_override_is_two_handovers(site: Policy, payments: Rotation) -> None:
    look("2026-01-06 12:00")
    overrides.take(
        payments,
        site.people["carol"],
        start=utc("2026-01-06 17:00"),
        end=utc("2026-01-06 21:00"),
        author="carol",
        now=utc("2026-01-06 12:00"),
    )
    look("2026-01-06 17:00:03", "2026-01-06 21:00:03")
    assert rows()[1:] == [("2026-01-06 17:00", "carol"), ("2026-01-06 21:00", "alice")]


def test_an_override_from_the_moment_of_the_last_look_on_is_written_down_too(site: Policy, payments: Rotation) -> None:
    look("2026-01-06 12:00")
    at = utc("2026-01-06 12:00")
    overrides.take(payments, site.people["carol"], start=at, end=at + 60 * MINUTE, author="carol", now=at)
    look("2026-01-06 12:00:05", "2026-01-06 12:00:10", "2026-01-06 12:02")
    assert rows() == [("2026-01-06 12:00", "alice"), ("2026-01-06 12:00", "carol")]


@pytest.mark.usefixtures("site")
def test_settings_edited_later_leave_what_was(configure: Configure) -> None:
    look("2026-01-06 12:00", "2026-01-12 08:00", "2026-01-14 12:00")
    changed = change(configure, MEMBERS=["carol", "bob"])
    assert duty_at(changed, utc("2026-01-07 12:00")).person == "alice"
    found = shifts_between(changed, utc("2026-01-06 12:00"), utc("2026-01-26 08:00"), utc("2026-01-14 12:00"))
    assert [(shift.person, f"{shift.end:%d %H:%M}") for shift in found] == [
        ("alice", "12 08:00"),
        ("bob", "19 08:00"),
        ("carol", "26 08:00"),
    ]


@pytest.mark.usefixtures("site")
def test_who_is_on_call_by_edited_settings_is_so_from_the_last_look_on(configure: Configure) -> None:
    look("2026-01-06 12:00", "2026-01-06 12:01")
    changed = change(configure, MEMBERS=["carol", "bob"])
    look("2026-01-06 12:01:30")
    assert rows() == [("2026-01-06 12:00", "alice"), ("2026-01-06 12:01", "carol")]
    assert duty_at(changed, utc("2026-01-06 12:00:30")).person == "alice"
    assert duty_at(changed, utc("2026-01-06 12:02")).person == "carol"


@pytest.mark.usefixtures("site")
def test_before_the_first_row_it_is_reckoned(payments: Rotation) -> None:
    look("2026-01-14 12:00")
    found = shifts_between(payments, utc("2026-01-05 08:00"), utc("2026-01-19 08:00"), utc("2026-01-14 13:00"))
    assert found[0].start == utc("2026-01-05 08:00")
    assert found[0].person == "alice"
    assert {shift.person for shift in found[1:]} == {"bob"}
    assert found[-1].end == utc("2026-01-19 08:00")


def test_nobody_on_call_is_written_down_too(configure: Configure) -> None:
    change(configure, MEMBERS=["alice", None])
    look("2026-01-11 12:00", "2026-01-12 08:00")
    assert rows()[1:] == [("2026-01-12 08:00", "")]
    assert duty_at(get_policy().rotations["payments"], utc("2026-01-13")).person is None


@pytest.mark.usefixtures("site")
def test_a_clock_that_was_set_back_writes_nothing() -> None:
    look("2026-01-12 08:00", "2026-01-11 08:00")
    assert rows() == [("2026-01-12 08:00", "bob")]


@pytest.mark.usefixtures("site")
def test_the_last_handover_is_kept_however_old_it_is() -> None:
    look("2026-01-06 12:00", "2026-01-12 08:00", "2026-01-12 08:02")
    assert handovers.prune(utc("2026-01-12 08:01")) == 1
    assert rows() == [("2026-01-12 08:00", "bob")]
