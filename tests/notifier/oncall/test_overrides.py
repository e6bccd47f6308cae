"""Somebody takes a rotation over: who hears what of it, and that nothing of it is final."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from notifier.checks import check_on_call
from notifier.judge.oncall.rota import Why
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import Policy
from notifier.messages.oncall import taken, undone
from notifier.models import Override
from notifier.oncall import overrides
from notifier.oncall.duty import duty_at, person_now
from tests.notifier.conftest import Configure
from tests.notifier.oncall.conftest import PAYMENTS, PEOPLE
from tests.notifier.oncall.rotations import utc

pytestmark = pytest.mark.django_db

NOW = utc("2026-01-06 12:00")  # alice's first week
HOUR = timedelta(hours=1)


def take(site: Policy, person: str, start: str, end: str, author: str = "bob") -> Override:
    return overrides.take(
        site.rotations["payments"], site.people[person], start=utc(start), end=utc(end), author=author, now=NOW
    )


def test_who_takes_over_is_on_call_for_exactly_that_time(site: Policy, payments: Rotation) -> None:
    row = take(site, "bob", "2026-01-06 17:00", "2026-01-06 21:00")
    assert person_now(payments, utc("2026-01-06 16:59")) == "alice"
    duty = duty_at(payments, utc("2026-01-06 17:00"))
    assert (duty.person, duty.why, duty.override, duty.until) == ("bob", Why.OVERRIDE, row.pk, row.ends_at)
    assert person_now(payments, utc("2026-01-06 21:00")) == "alice"


def test_the_answer_says_who_from_when_to_when_where_and_instead_of_whom_as_it_is_stored(site: Policy) -> None:
    row = take(site, "bob", "2026-01-06 17:00", "2026-01-07 08:00")
    Override.objects.filter(pk=row.pk).update(ends_at=utc("2026-01-07 09:00"))
    row.refresh_from_db()
    assert taken(row, site, NOW) == (
        "Bob is on call for payments from 18:00 CET to Wed 7 Jan 10:00 (Europe/Berlin), instead of Alice."
    )


def test_an_answer_over_a_change_of_the_clocks_names_both_zones(site: Policy) -> None:
    row = take(site, "carol", "2026-03-28 22:00", "2026-03-29 09:00")
    assert "from Sat 28 Mar 23:00 CET to Sun 29 Mar 11:00 CEST (Europe/Berlin)" in taken(row, site, NOW)


def test_what_has_passed_stays_as_it_was(site: Policy) -> None:
    assert take(site, "bob", "2026-01-01 00:00", "2026-01-06 13:00").starts_at == NOW


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2026-01-05 00:00", "2026-01-06 12:00", "in the past"),
        ("2026-01-05 00:00", "2026-01-05 00:00", "in the past"),
        ("2026-01-08 00:00", "2026-01-07 00:00", "later than it begins"),
        ("2026-01-08 00:00", "2027-01-10 00:00", "a year at most"),
    ],
)
def test_a_period_that_is_none_or_over_is_refused_and_leaves_nothing(
    site: Policy, start: str, end: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        take(site, "bob", start, end)
    assert not Override.objects.exists()


def test_a_time_without_a_zone_is_refused(site: Policy) -> None:
    with pytest.raises(ValueError, match="time zone"):
        overrides.take(
            site.rotations["payments"],
            site.people["bob"],
            start=NOW.replace(tzinfo=None),
            end=NOW + HOUR,
            author="x",
            now=NOW,
        )


def test_of_two_the_one_made_later_counts_and_undoing_it_brings_the_other_back(
    site: Policy, payments: Rotation
) -> None:
    take(site, "bob", "2026-01-06 17:00", "2026-01-06 21:00")
    second = take(site, "carol", "2026-01-06 18:00", "2026-01-06 20:00", author="carol")
    assert second.instead_of == "bob"
    assert person_now(payments, utc("2026-01-06 19:00")) == "carol"
    row = overrides.undo(second, "carol", NOW)
    assert person_now(payments, utc("2026-01-06 19:00")) == "bob"
    assert undone(row, site, NOW) == (
        "Undone by carol: Carol does not take payments over from 19:00 CET to 21:00 (Europe/Berlin)."
    )


def test_what_is_undone_in_its_middle_counted_until_then(site: Policy, payments: Rotation) -> None:
    row = take(site, "bob", "2026-01-06 17:00", "2026-01-06 21:00")
    overrides.undo(row, "alice", utc("2026-01-06 19:00"))
    assert person_now(payments, utc("2026-01-06 18:59")) == "bob"
    assert person_now(payments, utc("2026-01-06 19:00")) == "alice"


def test_what_is_over_or_undone_cannot_be_undone(site: Policy) -> None:
    row = take(site, "bob", "2026-01-06 17:00", "2026-01-06 21:00")
    with pytest.raises(ValueError, match="over"):
        overrides.undo(row, "bob", utc("2026-01-06 21:00"))
    overrides.undo(row, "bob", NOW)
    with pytest.raises(ValueError, match="undone by bob already"):
        overrides.undo(row, "alice", NOW)


def test_an_author_of_any_characters_can_be_stored(site: Policy) -> None:
    assert take(site, "bob", "2026-01-06 17:00", "2026-01-06 21:00", author="a\0\ud800" * 100).author.startswith("a")


def said() -> list[str]:
    with time_machine.travel(NOW, tick=False):
        return [str(one.msg) for one in check_on_call(databases=["default"])]


def test_an_override_that_meets_no_shift_of_whom_it_takes_over_from_is_told(site: Policy, configure: Configure) -> None:
    row = take(site, "bob", "2026-01-06 17:00", "2026-01-06 21:00")
    assert said() == []
    configure(people=PEOPLE, oncall={"payments": PAYMENTS | {"MEMBERS": ["carol", "bob"]}})
    assert said() == [
        f'Override {row.pk}: it takes over from "alice", who has no shift in that time any more.',
    ]
    overrides.undo(row, "bob", NOW)
    assert said() == []


def test_an_override_over_another_meets_the_other(site: Policy) -> None:
    take(site, "bob", "2026-01-06 17:00", "2026-01-06 21:00")
    take(site, "carol", "2026-01-06 18:00", "2026-01-06 20:00")
    assert said() == []


def test_an_override_of_somebody_or_something_that_is_gone_is_told(site: Policy, configure: Configure) -> None:
    row = take(site, "carol", "2026-01-06 17:00", "2026-01-06 21:00")
    configure(people={"alice": {}, "bob": {}}, oncall={"payments": PAYMENTS})
    assert said() == [f'Override {row.pk}: "carol" is not in NOTIFIER["PEOPLE"], so it wakes no one.']
    configure(people=PEOPLE)
    assert said() == [f'Override {row.pk}: "payments" is not in NOTIFIER["ONCALL"], so it changes nothing.']


def test_without_a_database_nothing_is_asked(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert check_on_call() == []


def test_old_ones_are_deleted(site: Policy) -> None:
    take(site, "bob", "2026-01-06 17:00", "2026-01-06 21:00")
    assert [overrides.prune(utc(day)) for day in ("2026-01-06", "2026-01-07")] == [0, 1]
