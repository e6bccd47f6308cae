from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.judge.calendar import (
    Every,
    QuietHours,
    parse_at,
    parse_quiet,
    period_before,
    quiet_until,
    zone,
)

quick = settings(max_examples=25)
BERLIN, SYDNEY, KATHMANDU = "Europe/Berlin", "Australia/Sydney", "Asia/Kathmandu"
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)


def moment(text: str) -> datetime:
    """A local time with its offset, so that either 02:30 of the night when clocks go back can be written."""
    return datetime.fromisoformat(text)


# --- quiet hours
# In 2026 clocks go forward in Berlin on 29 March at 02:00+01:00 and back on 25 October at 03:00+02:00; in Sydney
# they go back on 5 April at 03:00+11:00 and forward on 4 October at 02:00+10:00.

WEEKNIGHTS = ["Mon-Fri 22:00-07:00"]
NIGHTS = ["22:00-07:00"]
WEEKEND = ["22:00-07:00", "Sat,Sun 00:00-24:00"]


@pytest.mark.parametrize(
    ("rules", "tz", "now", "until"),
    [
        pytest.param([], BERLIN, "2026-11-17T23:30+01:00", None, id="no rules"),
        pytest.param(WEEKNIGHTS, BERLIN, "2026-11-17T12:00+01:00", None, id="at noon"),
        pytest.param(WEEKNIGHTS, BERLIN, "2026-11-17T23:30+01:00", "2026-11-18T07:00+01:00", id="evening"),
        pytest.param(WEEKNIGHTS, BERLIN, "2026-11-18T03:00+01:00", "2026-11-18T07:00+01:00", id="past midnight"),
        pytest.param(WEEKNIGHTS, BERLIN, "2026-11-17T22:00+01:00", "2026-11-18T07:00+01:00", id="start is quiet"),
        pytest.param(WEEKNIGHTS, BERLIN, "2026-11-18T07:00+01:00", None, id="end is not quiet"),
        pytest.param(WEEKNIGHTS, BERLIN, "2026-11-21T03:00+01:00", "2026-11-21T07:00+01:00", id="Friday's night"),
        pytest.param(WEEKNIGHTS, BERLIN, "2026-11-21T23:00+01:00", None, id="Saturday is not in Mon-Fri"),
        pytest.param(WEEKNIGHTS, BERLIN, "2026-11-16T03:00+01:00", None, id="Sunday's night belongs to Sunday"),
        pytest.param(["12:00-13:00"], BERLIN, "2026-11-17T11:30+00:00", "2026-11-17T13:00+01:00", id="in a day"),
        pytest.param(WEEKEND, BERLIN, "2026-11-20T22:30+01:00", "2026-11-23T07:00+01:00", id="a whole weekend"),
        pytest.param(
            ["08:00-12:00", "12:00-14:00", "14:01-16:00"],
            BERLIN,
            "2026-11-17T09:00+01:00",
            "2026-11-17T14:00+01:00",
            id="rules that touch are one, a minute between them is a gap",
        ),
        pytest.param(["Tue 09:00-09:00"], BERLIN, "2026-11-18T08:59+01:00", "2026-11-18T09:00+01:00", id="24 hours"),
        pytest.param(["Tue 09:00-09:00"], BERLIN, "2026-11-18T09:00+01:00", None, id="24 hours and no longer"),
        pytest.param(
            ["00:00-24:00"],
            BERLIN,
            "2026-11-17T12:00+01:00",
            "2026-11-25T12:00+01:00",
            id="always quiet: the bound",
        ),
        # Berlin, forward: the night has one hour less.
        pytest.param(NIGHTS, BERLIN, "2026-03-29T01:30+01:00", "2026-03-29T07:00+02:00", id="forward, before"),
        pytest.param(NIGHTS, BERLIN, "2026-03-29T03:30+02:00", "2026-03-29T07:00+02:00", id="forward, after"),
        pytest.param(["02:30-05:00"], BERLIN, "2026-03-29T03:15+02:00", None, id="a start that does not exist"),
        pytest.param(
            ["02:30-05:00"],
            BERLIN,
            "2026-03-29T03:30+02:00",
            "2026-03-29T05:00+02:00",
            id="comes an hour later",
        ),
        pytest.param(["22:00-02:30"], BERLIN, "2026-03-29T03:15+02:00", "2026-03-29T03:30+02:00", id="so does an end"),
        pytest.param(
            ["02:00-03:00"],
            BERLIN,
            "2026-03-29T03:00+02:00",
            "2026-03-29T04:00+02:00",
            id="quiet in the skipped hour alone still lasts an hour",
        ),
        pytest.param(
            ["02:30-03:15"],
            BERLIN,
            "2026-03-29T03:30+02:00",
            "2026-03-29T04:15+02:00",
            id="and never ends early",
        ),
        # Berlin, back: the night has one hour more.
        pytest.param(NIGHTS, BERLIN, "2026-10-25T02:30+02:00", "2026-10-25T07:00+01:00", id="back, first 02:30"),
        pytest.param(NIGHTS, BERLIN, "2026-10-25T02:30+01:00", "2026-10-25T07:00+01:00", id="back, second 02:30"),
        pytest.param(
            ["02:30-04:00"],
            BERLIN,
            "2026-10-25T02:30+02:00",
            "2026-10-25T04:00+01:00",
            id="starts at the first",
        ),
        pytest.param(["02:30-04:00"], BERLIN, "2026-10-25T02:15+01:00", "2026-10-25T04:00+01:00", id="and stays quiet"),
        pytest.param(
            ["22:00-02:30"], BERLIN, "2026-10-25T02:45+02:00", "2026-10-25T02:30+01:00", id="ends at the last"
        ),
        pytest.param(["22:00-02:30"], BERLIN, "2026-10-25T02:30+01:00", None, id="and then is over"),
        # Sydney, both ways.
        pytest.param(NIGHTS, SYDNEY, "2026-04-04T23:00+11:00", "2026-04-05T07:00+10:00", id="Sydney, back"),
        pytest.param(
            ["22:00-02:30"],
            SYDNEY,
            "2026-04-05T02:15+10:00",
            "2026-04-05T02:30+10:00",
            id="Sydney, the last 02:30",
        ),
        pytest.param(NIGHTS, SYDNEY, "2026-10-03T23:00+10:00", "2026-10-04T07:00+11:00", id="Sydney, forward"),
        pytest.param(
            ["22:00-02:30"], SYDNEY, "2026-10-03T16:20+00:00", "2026-10-04T03:30+11:00", id="Sydney, no 02:30"
        ),
    ],
)
def test_quiet_until(rules: list[str], tz: str, now: str, until: str | None) -> None:
    found = quiet_until([parse_quiet(rule, tz) for rule in rules], moment(now))
    assert found == (moment(until) if until else None)
    assert found is None or found.tzinfo is UTC


def test_rules_in_different_zones_join() -> None:
    rules = [parse_quiet("22:00-07:00", BERLIN), parse_quiet("17:00-20:00", SYDNEY)]
    assert quiet_until(rules, moment("2026-11-17T23:00+01:00")) == moment("2026-11-18T20:00+11:00")


some_rules = st.lists(
    st.builds(
        QuietHours,
        st.frozensets(st.integers(0, 6), min_size=1),
        st.times().map(lambda t: t.replace(second=0, microsecond=0)),
        st.times().map(lambda t: t.replace(second=0, microsecond=0)),
        st.sampled_from([BERLIN, SYDNEY, "Australia/Lord_Howe", "America/Havana", "UTC"]),
    ),
    max_size=3,
)
CHANGES = [(3, 29), (10, 25), (4, 4), (10, 3), (3, 8), (11, 1)]
# Somewhere around a change of the clocks: Berlin, Sydney with Lord Howe (half an hour), Havana (at midnight).
some_time = st.builds(
    datetime.__add__,
    st.sampled_from([datetime(2026, month, day, tzinfo=UTC) for month, day in CHANGES]),
    st.timedeltas(-2 * DAY, 2 * DAY),
)


@quick
@given(some_rules, some_time, st.integers(0, 99))
def test_quiet_lasts_until_it_ends(rules: list[QuietHours], now: datetime, percent: int) -> None:
    until = quiet_until(rules, now)
    if until is None or until == now + 8 * DAY:
        return
    assert until > now
    assert quiet_until(rules, until) is None
    assert quiet_until(rules, now + (until - now) * percent // 100) == until


@quick
@given(some_rules, some_time)
def test_without_a_change_of_clocks_quiet_is_what_the_wall_clock_says(rules: list[QuietHours], now: datetime) -> None:
    def covers(rule: QuietHours) -> bool:
        today, yesterday = now.weekday() in rule.days, (now.weekday() - 1) % 7 in rule.days
        if rule.start < rule.end:
            return today and rule.start <= now.time() < rule.end
        return (today and now.time() >= rule.start) or (yesterday and now.time() < rule.end)

    in_utc = [QuietHours(rule.days, rule.start, rule.end, "UTC") for rule in rules]
    assert (quiet_until(in_utc, now) is not None) == any(map(covers, in_utc))


# --- digest periods


@pytest.mark.parametrize(
    ("every", "at", "tz", "now", "start", "hours", "label"),
    [
        ("day", "08:00", BERLIN, "2026-11-22T08:00+01:00", "2026-11-21T08:00+01:00", 24, "21 Nov"),
        ("day", "08:00", BERLIN, "2026-11-22T07:59+01:00", "2026-11-20T08:00+01:00", 24, "20 Nov"),
        ("day", "00:00", SYDNEY, "2026-11-21T14:00+00:00", "2026-11-21T00:00+11:00", 24, "21 Nov"),
        # clocks go forward, then back
        ("day", "00:00", BERLIN, "2026-03-30T05:00+02:00", "2026-03-29T00:00+01:00", 23, "29 Mar"),
        ("day", "00:00", BERLIN, "2026-10-26T05:00+01:00", "2026-10-25T00:00+02:00", 25, "25 Oct"),
        # a boundary that does not exist: the day before is longer, the day after shorter
        ("day", "02:30", BERLIN, "2026-03-29T12:00+02:00", "2026-03-28T02:30+01:00", 24, "28 Mar"),
        ("day", "02:30", BERLIN, "2026-03-30T12:00+02:00", "2026-03-29T03:30+02:00", 23, "29 Mar"),
        # a boundary that happens twice is the first of the two
        ("day", "02:30", BERLIN, "2026-10-25T02:30+01:00", "2026-10-24T02:30+02:00", 24, "24 Oct"),
        ("day", "02:30", BERLIN, "2026-10-26T12:00+01:00", "2026-10-25T02:30+02:00", 25, "25 Oct"),
        ("week", "08:00", BERLIN, "2026-11-25T12:00+01:00", "2026-11-16T08:00+01:00", 168, "16-22 Nov"),
        ("week", "00:00", BERLIN, "2026-11-23T00:00+01:00", "2026-11-16T00:00+01:00", 168, "16-22 Nov"),
        ("week", "08:00", BERLIN, "2026-12-07T07:59+01:00", "2026-11-23T08:00+01:00", 168, "23-29 Nov"),
        ("week", "08:00", BERLIN, "2026-12-07T08:00+01:00", "2026-11-30T08:00+01:00", 168, "30 Nov-6 Dec"),
        ("week", "08:00", BERLIN, "2026-10-26T08:00+01:00", "2026-10-19T08:00+02:00", 169, "19-25 Oct"),
        ("month", "08:00", BERLIN, "2026-12-01T08:00+01:00", "2026-11-01T08:00+01:00", 720, "November"),
        ("month", "08:00", BERLIN, "2027-01-31T12:00+01:00", "2026-12-01T08:00+01:00", 744, "December"),
        ("month", "00:00", BERLIN, "2026-04-01T00:00+02:00", "2026-03-01T00:00+01:00", 743, "March"),
    ],
)
def test_period_before(every: Every, at: str, tz: str, now: str, start: str, hours: int, label: str) -> None:
    period = period_before(moment(now), parse_at(at), tz, every)
    assert (period.start, period.end) == (moment(start), moment(start) + hours * HOUR)
    assert period.label == label.replace("-", "\N{EN DASH}")
    assert period.start.tzinfo is UTC
    assert period.end.tzinfo is UTC


@pytest.mark.parametrize(
    ("minute", "tz", "now", "start", "label"),
    [
        (0, BERLIN, "2026-11-22T15:20+01:00", "2026-11-22T14:00+01:00", "22 Nov 14:00-15:00 CET"),
        (15, KATHMANDU, "2026-11-22T15:20+05:45", "2026-11-22T14:15+05:45", "22 Nov 14:15-15:15 +0545"),
        # the hour that happens twice
        (0, BERLIN, "2026-10-25T02:10+01:00", "2026-10-25T02:00+02:00", "25 Oct 02:00 CEST-02:00 CET"),
        (0, BERLIN, "2026-10-25T03:10+01:00", "2026-10-25T02:00+01:00", "25 Oct 02:00-03:00 CET"),
        # the hour that is skipped
        (0, BERLIN, "2026-03-29T03:10+02:00", "2026-03-29T01:00+01:00", "29 Mar 01:00 CET-03:00 CEST"),
    ],
)
def test_an_hour_is_an_hour(minute: int, tz: str, now: str, start: str, label: str) -> None:
    period = period_before(moment(now), time(0, minute), tz, "hour")
    assert (period.start, period.end) == (moment(start), moment(start) + HOUR)
    assert period.label == label.replace("-", "\N{EN DASH}")


def test_a_week_begins_on_the_weekday_asked_for() -> None:
    period = period_before(moment("2026-11-22T12:00+01:00"), time(8), BERLIN, "week", weekday=4)
    assert (period.start, period.end) == (moment("2026-11-13T08:00+01:00"), moment("2026-11-20T08:00+01:00"))


@quick
@given(
    some_time,
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    st.sampled_from([BERLIN, SYDNEY, "Australia/Lord_Howe", "America/Havana", KATHMANDU, "UTC"]),
    st.sampled_from(["hour", "day", "week", "month"]),
    st.integers(0, 6),
    st.integers(0, 99),
)
def test_periods_tile_time_and_stay_the_same_in_between(
    now: datetime, at: time, tz: str, every: Every, weekday: int, percent: int
) -> None:
    last = period_before(now, at, tz, every, weekday)
    assert last.start < last.end <= now
    assert period_before(last.end, at, tz, every, weekday) == last
    before = period_before(last.start, at, tz, every, weekday)
    assert before.end == last.start
    for other in (last.start + (last.end - last.start) * percent // 100, last.end - TICK):
        assert period_before(other, at, tz, every, weekday) == before


@quick
@given(some_time, st.sampled_from([BERLIN, SYDNEY, "America/Havana"]))
def test_a_boundary_far_from_any_change_of_clocks_is_at_the_local_time(now: datetime, tz: str) -> None:
    assert period_before(now, time(8), tz, "day").end.astimezone(zone(tz)).time() == time(8)


def test_a_date_that_a_zone_skipped_makes_no_empty_period() -> None:
    # Samoa had no 30 December 2011.
    period = period_before(moment("2011-12-31T12:00+14:00"), time(8), "Pacific/Apia", "day")
    assert (period.start, period.end) == (moment("2011-12-29T08:00-10:00"), moment("2011-12-31T08:00+14:00"))


# --- as written in settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [("08:00", time(8)), ("8:05", time(8, 5)), ("23:59", time(23, 59)), (" 00:00 ", time(0))],
)
def test_parse_at(text: str, expected: time) -> None:
    assert parse_at(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a time of day"),
        ("8", "not a time of day"),
        ("8am", "not a time of day"),
        ("08:00:00", "not a time of day"),
        ("0800", "not a time of day"),
        ("24:00", "no such time of day"),
        ("12:60", "no such time of day"),
    ],
)
def test_a_wrong_time_is_explained_with_an_example(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        parse_at(text)
    assert 'such as "08:00"' in str(refused.value)


ALL_WEEK = frozenset(range(7))


@pytest.mark.parametrize(
    ("text", "days", "start", "end"),
    [
        ("Mon-Fri 22:00-07:00", {0, 1, 2, 3, 4}, time(22), time(7)),
        ("22:00-07:00", ALL_WEEK, time(22), time(7)),
        ("Sat,Sun 00:00-24:00", {5, 6}, time(0), time(0)),
        ("fri-mon 09:00-17:30", {4, 5, 6, 0}, time(9), time(17, 30)),
        ("Mon,Wed-Fri 09:00-10:00", {0, 2, 3, 4}, time(9), time(10)),
        ("Tue  12:00-12:00", {1}, time(12), time(12)),
        ("Mon-Mon 1:00-2:00", {0}, time(1), time(2)),
    ],
)
def test_parse_quiet(text: str, days: set[int], start: time, end: time) -> None:
    assert parse_quiet(text, BERLIN) == QuietHours(frozenset(days), start, end, BERLIN)


@pytest.mark.parametrize(
    ("text", "tz", "complaint", "example"),
    [
        ("", BERLIN, "not quiet hours", "Mon-Fri 22:00-07:00"),
        ("Mon-Fri", BERLIN, "not a time of day", "08:00"),
        ("22:00", BERLIN, "not quiet hours", "Mon-Fri 22:00-07:00"),
        ("Mon - Fri 22:00-07:00", BERLIN, "not quiet hours", "Mon-Fri 22:00-07:00"),
        ("Weekdays 22:00-07:00", BERLIN, "not a day of the week", "Mon-Fri 22:00-07:00"),
        ("Mon- 22:00-07:00", BERLIN, "not a day of the week", "Mon-Fri 22:00-07:00"),
        ("Mon, 22:00-07:00", BERLIN, "not a day of the week", "Mon-Fri 22:00-07:00"),
        ("Mon 24:00-07:00", BERLIN, "no such time of day", "08:00"),
        ("Mon 22:00-25:00", BERLIN, "no such time of day", "08:00"),
        ("Mon 22:00-07:00", "Berlin", "not a known time zone", "Europe/Berlin"),
        ("Mon 22:00-07:00", "Europe", "not a known time zone", "Europe/Berlin"),
        ("Mon 22:00-07:00", "../etc/passwd", "not a known time zone", "Europe/Berlin"),
        ("Mon 22:00-07:00", "", "not a known time zone", "Europe/Berlin"),
    ],
)
def test_wrong_quiet_hours_are_explained_with_an_example(text: str, tz: str, complaint: str, example: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        parse_quiet(text, tz)
    assert f'such as "{example}"' in str(refused.value)
