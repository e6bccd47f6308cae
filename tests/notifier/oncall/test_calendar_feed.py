"""The calendar that people subscribe to: what it says is what routing does, and only its address opens it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client
from icalendar import Calendar, Event
from pytest_django import Settings

from notifier.config.conf import get_policy
from notifier.feeds import links
from notifier.feeds.calendar import feed
from notifier.feeds.zones import vtimezone
from notifier.judge.oncall.rota import shifts
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import Policy
from notifier.oncall import overrides
from tests.notifier.conftest import Configure
from tests.notifier.oncall.conftest import PAYMENTS, PEOPLE
from tests.notifier.oncall.rotations import ZONES, utc

pytestmark = pytest.mark.django_db

NOW = utc("2026-02-04 12:00")


def events(text: bytes) -> list[Any]:
    calendar = Calendar.from_ical(text)
    return [part for part in calendar.walk("VEVENT") if isinstance(part, Event)]


def instants(event: Any, zone: Any) -> tuple[datetime, datetime]:
    """Read by the rules that the feed itself brings, as a program does that knows no time zones."""
    found = []
    for name in ("DTSTART", "DTEND"):
        at = event[name].dt
        local = "TZID" in event[name].params
        found.append(at.replace(tzinfo=zone).astimezone(UTC) if local else at.astimezone(UTC))
    return found[0], found[1]


@pytest.mark.parametrize("tz", ZONES)
@pytest.mark.parametrize("at", ["00:00", "02:30"])
def test_every_shift_of_twelve_months_is_an_event_with_its_own_times(configure: Configure, tz: str, at: str) -> None:
    configure(people=PEOPLE, oncall={"payments": PAYMENTS | {"TZ": tz, "HANDOVER": at, "START": "2025-01-01"}})
    policy = get_policy()
    rotation = policy.rotations["payments"]
    text = feed(rotation, "", policy, NOW)
    rules = vtimezone(tz, NOW.year)
    zone = rules.to_tz(lookup_tzid=False) if rules else None
    found = [instants(event, zone) for event in events(text)]
    expected = [(one.start, one.end) for one in shifts(rotation, [], found[0][0], found[-1][1])]
    assert found == expected
    assert found[0][0] <= NOW - timedelta(days=31)
    assert found[-1][1] >= NOW + timedelta(days=366)


def test_the_zone_is_told_by_yearly_rules_and_no_dates(site: Policy, payments: Rotation) -> None:
    text = feed(payments, "", site, NOW).decode()
    assert "TZID:Europe/Berlin" in text
    assert "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3" in text
    assert "RDATE" not in text
    assert "DTSTART;TZID=Europe/Berlin:20260202T090000" in text


def test_a_zone_without_a_yearly_rule_has_its_times_in_utc(configure: Configure) -> None:
    configure(people=PEOPLE, oncall={"payments": PAYMENTS | {"TZ": "Africa/Casablanca"}})
    text = feed(get_policy().rotations["payments"], "", get_policy(), NOW).decode()
    assert "VTIMEZONE" not in text
    assert "DTSTART:20260202T080000Z" in text


def test_an_override_that_ends_in_the_second_of_two_equal_hours_is_written_in_utc(site: Policy) -> None:
    rotation = site.rotations["payments"]
    end = utc("2026-10-25 01:30")  # 02:30 in Berlin, for the second time
    overrides.take(rotation, site.people["carol"], start=end - timedelta(hours=4), end=end, author="carol", now=NOW)
    text = feed(rotation, "carol", site, NOW).decode()
    assert "DTEND:20261025T013000Z" in text


def test_an_event_keeps_nobody_from_being_invited(site: Policy, payments: Rotation) -> None:
    assert {event["TRANSP"] for event in events(feed(payments, "", site, NOW))} == {"TRANSPARENT"}


def test_an_event_is_the_same_one_when_the_feed_is_read_again(site: Policy, payments: Rotation) -> None:
    first = {event["UID"]: event["SUMMARY"] for event in events(feed(payments, "", site, NOW))}
    again = {event["UID"]: event["SUMMARY"] for event in events(feed(payments, "", site, NOW + timedelta(days=1)))}
    assert len(first) > 50
    assert len(first.items() & again.items()) >= len(first) - 1


def test_a_persons_own_has_their_shifts_alone_and_what_they_take_over(site: Policy, payments: Rotation) -> None:
    start = utc("2026-02-05 18:00")
    overrides.take(payments, site.people["carol"], start=start, end=start + timedelta(hours=4), author="carol", now=NOW)
    assert {str(one["SUMMARY"]) for one in events(feed(payments, "bob", site, NOW))} == {"Bob is on call for payments"}
    [taken] = events(feed(payments, "carol", site, NOW))
    assert str(taken["SUMMARY"]) == "Carol is on call for payments"


# --- its address -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("site")
def test_whoever_knows_the_address_reads_it_and_nobody_else(client: Client) -> None:
    for person in ("", "bob"):
        path = links.path_of("payments", person)
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/calendar; charset=utf-8"
        assert answer["X-Robots-Tag"] == "noindex"
        assert events(answer.content) != []
        token = path.rpartition("/")[2].removesuffix(".ics")
        for wrong in (token[:-1], token[:-1] + "é", "0" * 40, token.upper() + "0"):
            assert client.get(path.replace(token, wrong)).status_code == 404
    mine, everybody = links.path_of("payments", "bob"), links.path_of("payments")
    swapped = mine.rpartition("/")[0] + "/" + everybody.rpartition("/")[2]
    assert client.get(swapped).status_code == 404


@pytest.mark.usefixtures("site")
def test_what_is_gone_from_the_settings_is_not_found(client: Client, configure: Configure) -> None:
    mine, everybody = links.path_of("payments", "carol"), links.path_of("payments")
    configure(people={"alice": {}, "bob": {}}, oncall={"payments": PAYMENTS})
    assert client.get(mine).status_code == 404
    configure()
    assert client.get(everybody).status_code == 404


@pytest.mark.usefixtures("site")
def test_renewing_ends_the_addresses_before_it_and_no_others(client: Client) -> None:
    first, other = links.path_of("payments", "bob"), links.path_of("payments", "alice")
    links.renew("payments", "bob", NOW)
    second = links.path_of("payments", "bob")
    links.renew("payments", "bob", NOW)
    assert [client.get(path).status_code for path in (first, second, links.path_of("payments", "bob"), other)] == [
        404,
        404,
        200,
        200,
    ]


@pytest.mark.usefixtures("site")
def test_an_address_outlives_a_change_of_the_key_as_long_as_sessions_do(client: Client, settings: Settings) -> None:
    path = links.path_of("payments")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert client.get(path).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get(path).status_code == 404


@pytest.mark.usefixtures("site")
def test_reading_changes_nothing_and_nothing_else_is_answered(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    path = links.path_of("payments")
    assert client.head(path).status_code == 200
    assert client.post(path).status_code == 405
    with django_assert_max_num_queries(20) as queries:
        client.get(path)
    assert not [one["sql"] for one in queries if not one["sql"].startswith("SELECT")]


@pytest.mark.usefixtures("site")
def test_the_command_tells_the_addresses_and_renews_them(client: Client, settings: Settings) -> None:
    settings.SITE_URL = "https://alerts.example.com/"

    def run(*arguments: str) -> list[str]:
        out = StringIO()
        with time_machine.travel(NOW, tick=False):
            call_command("oncall_calendar", *arguments, stdout=out)
        return out.getvalue().splitlines()

    lines = run("payments")
    assert [line.partition(": ")[0] for line in lines] == ["all", "alice", "bob"]
    address = lines[2].partition(": ")[2]
    assert address.startswith("https://alerts.example.com/notifier/oncall/payments/bob/own/")
    [renewed] = run("payments", "bob", "--renew")
    assert renewed != lines[2]
    assert run("payments")[:2] == lines[:2]
    with pytest.raises(CommandError, match='Did you mean "payments"'):
        run("payment")
    with pytest.raises(CommandError, match="Known are"):
        run("payments", "zoe")
