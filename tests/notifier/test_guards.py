from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.facts import AlertState, Category, HeldBy, Reason, Recipient, Severity, Subject, Told
from notifier.judge.calendar import QuietHours
from notifier.judge.guards import CLEAR, LOOK_AGAIN, TABLE, Action, Case, Ruling, Silenced, hold, judge
from notifier.judge.match import Matcher
from notifier.judge.policy import ChannelConfig, Limits, Quiet

NOW = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)  # a Sunday
MINUTE, HOUR, TICK = timedelta(minutes=1), timedelta(hours=1), timedelta(microseconds=1)
MIDNIGHT, MORNING = NOW + HOUR, NOW + 8 * HOUR
EVERY_DAY = frozenset(range(7))
NIGHTS = Quiet("nights", (QuietHours(EVERY_DAY, time(22), time(7), "UTC"),))

ALERT = AlertState(
    subject=Subject(severity=Severity.ERROR, category=Category.CODE, event_type="invoice.paid", livemode=True),
    count=3,
    opened_at=NOW - HOUR,
    storm_since=NOW - HOUR,
)
CHANNEL = ChannelConfig("oncall", "sms", "sms", (Recipient("oncall", "sms", "+491"),), failover="team")
CASE = Case(Reason.UPDATE, ALERT, Told(1, Severity.ERROR, NOW - HOUR), CHANNEL, NOW)

Change = Callable[[Case], Case]


def silence(number: int = 7, *, starts: timedelta = -HOUR, ends: timedelta = HOUR, **asked: Any) -> Silenced:
    return Silenced(number, Matcher(**asked), NOW + starts, NOW + ends)


def inhibited(case: Case) -> Case:
    return replace(case, alert=replace(case.alert, inhibited_by=117))


def silenced(case: Case) -> Case:
    return replace(case, silences=(silence(),))


def acknowledged(case: Case) -> Case:
    return replace(case, alert=replace(case.alert, acknowledged_until=NOW + 2 * HOUR))


def quiet(case: Case) -> Case:
    return replace(case, channel=replace(case.channel, quiet=(NIGHTS,)))


def dead(case: Case) -> Case:
    return replace(case, dead="set aside: unsubscribed")


def failing(case: Case) -> Case:
    return replace(case, trying_since=case.now - case.channel.failover_after)


def spent(case: Case) -> Case:
    return replace(case, budget_until=MIDNIGHT)


def overflows(case: Case) -> Case:
    return replace(spent(case), channel=replace(case.channel, limits=Limits(overflow="slack")))


# --- the table: each situation by itself against each reason

ANSWERS: dict[str, tuple[Change, Ruling]] = {
    "inhibited": (inhibited, hold(HeldBy.INHIBITED, NOW + LOOK_AGAIN, 117)),
    "silenced": (silenced, hold(HeldBy.SILENCE, NOW + HOUR, 7)),
    "acknowledged": (acknowledged, hold(HeldBy.ACKNOWLEDGED, NOW + 2 * HOUR)),
    "quiet": (quiet, hold(HeldBy.QUIET_HOURS, MORNING, "nights")),
    "dead": (dead, Ruling(Action.DIVERT, "set aside: unsubscribed", to="team")),
    "failing": (failing, Ruling(Action.DIVERT, "could not be delivered", to="team")),
    "spent": (spent, hold(HeldBy.BUDGET, MIDNIGHT)),
    "overflows": (overflows, Ruling(Action.DIVERT, "budget spent", to="slack")),
}
CELLS = """
          inhibited silenced acknowledged quiet dead   failing spent overflows
first     hold      hold     hold         hold  divert divert  hold  divert
raised    hold      hold     send         hold  divert divert  hold  divert
reopened  hold      hold     send         hold  divert divert  hold  divert
escalated hold      hold     hold         hold  divert divert  hold  divert
update    hold      hold     hold         hold  divert divert  hold  divert
repeat    hold      hold     hold         hold  divert divert  hold  divert
answered  send      send     send         hold  divert divert  hold  divert
resolved  send      send     send         hold  divert divert  hold  divert
digest    send      send     send         send  divert divert  send  send
test      send      send     send         send  send   send    send  send
"""
SITUATIONS, *ROWS = [line.split() for line in CELLS.split("\n") if line]
TABLE_OF_CELLS = {Reason(reason): dict(zip(SITUATIONS, cells, strict=True)) for reason, *cells in ROWS}


def test_the_table_knows_every_reason_and_every_situation() -> None:
    assert set(TABLE_OF_CELLS) == set(TABLE) == set(Reason)
    assert list(ANSWERS) == SITUATIONS


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_against_each_guard(reason: Reason) -> None:
    cells = TABLE_OF_CELLS[reason]
    found = {name: judge(replace(change(CASE), reason=reason)) for name, (change, _) in ANSWERS.items()}
    assert {name: ruling.action for name, ruling in found.items()} == cells
    assert found == {name: CLEAR if cells[name] == "send" else answer for name, (_, answer) in ANSWERS.items()}


# --- which guard answers when several would

ORDER: list[Change] = [inhibited, silenced, acknowledged, quiet, dead, failing, overflows]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.TEST])
def test_the_guards_are_asked_in_order(reason: Reason) -> None:
    asked = [change for change in ORDER if TABLE_OF_CELLS[reason][change.__name__] != "send"]
    for first in range(len(asked)):
        case = replace(CASE, reason=reason)
        for change in reversed(asked[first:]):
            case = change(case)
        assert judge(case) == ANSWERS[asked[first].__name__][1]
    assert judge(replace(CASE, reason=reason)) == CLEAR


def test_an_edit_of_a_message_that_stands_disturbs_no_quiet_hours() -> None:
    assert judge(replace(quiet(CASE), reason=Reason.ANSWERED, edits=True)) == CLEAR
    assert judge(replace(quiet(CASE), reason=Reason.UPDATE, edits=True)).action is Action.HOLD


# --- inhibition, silences


def test_an_inhibition_is_looked_at_again_before_long() -> None:
    """Its parent's end releases it at once; this is for the time when that was missed."""
    assert timedelta(0) < LOOK_AGAIN <= 10 * MINUTE


@pytest.mark.parametrize(
    ("silences", "expected"),
    [
        pytest.param([], None, id="none"),
        pytest.param([silence(ends=HOUR)], (7, HOUR), id="in force"),
        pytest.param([silence(starts=timedelta(0))], (7, HOUR), id="its start is in it"),
        pytest.param([silence(starts=TICK)], None, id="it has not begun"),
        pytest.param([silence(ends=TICK)], (7, TICK), id="its last moment"),
        pytest.param([silence(ends=timedelta(0))], None, id="its end is no longer in it"),
        pytest.param([silence(events=("invoice.*",))], (7, HOUR), id="it is about this"),
        pytest.param([silence(events=("charge.*",))], None, id="it is about something else"),
        pytest.param([silence(min_severity=Severity.CRITICAL)], None, id="it is about worse"),
        pytest.param(
            [silence(1, ends=HOUR), silence(2, ends=3 * HOUR), silence(3)], (2, 3 * HOUR), id="the latest end"
        ),
        pytest.param(
            [silence(1), silence(2, ends=3 * HOUR, livemode=False)], (1, HOUR), id="the latest of those that match"
        ),
        pytest.param(
            [silence(1), silence(2, starts=HOUR, ends=3 * HOUR)],
            (1, HOUR),
            id="one that follows is asked when it begins",
        ),
    ],
)
def test_silences(silences: list[Silenced], expected: tuple[int, timedelta] | None) -> None:
    ruling = hold(HeldBy.SILENCE, NOW + expected[1], expected[0]) if expected else CLEAR
    assert judge(replace(CASE, silences=tuple(silences))) == ruling


# --- acknowledgement


@pytest.mark.parametrize(
    ("until", "held"),
    [
        (None, False),
        (NOW + HOUR, True),
        (NOW + TICK, True),
        (NOW, False),  # it has just run out
        (NOW - HOUR, False),
    ],
)
def test_an_acknowledgement_runs_out(until: datetime | None, held: bool) -> None:
    ruling = judge(replace(CASE, alert=replace(ALERT, acknowledged_until=until)))
    assert ruling == (hold(HeldBy.ACKNOWLEDGED, until) if held and until else CLEAR)


# --- quiet hours

BUT_CRITICAL = Quiet("night", (QuietHours(EVERY_DAY, time(22), time(7), "Europe/Berlin"),), unless=Severity.CRITICAL)


@pytest.mark.parametrize(
    ("told", "now", "severity", "held_until"),
    [
        # 2026-03-29: the clock goes from 02:00 to 03:00, so the night ends at 05:00 UTC and began at 21:00 UTC.
        pytest.param("03-28T20:59", "03-29T01:30", Severity.CRITICAL, "03-29T05:00", id="paged before the night"),
        pytest.param("03-28T21:00", "03-29T01:30", Severity.CRITICAL, None, id="paged as it began"),
        pytest.param("03-29T00:59", "03-29T01:30", Severity.CRITICAL, None, id="paged within it, before the change"),
        pytest.param("03-27T23:00", "03-29T01:30", Severity.CRITICAL, "03-29T05:00", id="paged the night before"),
        pytest.param("03-28T23:00", "03-29T01:30", Severity.ERROR, "03-29T05:00", id="nothing that may wake anybody"),
        # 2026-10-25: the hour from 02:00 comes twice; the night began at 20:00 UTC and ends at 06:00 UTC.
        pytest.param("10-24T20:30", "10-25T05:59", Severity.CRITICAL, None, id="paged within the longer night"),
        pytest.param(
            "10-24T19:30", "10-25T05:59", Severity.CRITICAL, "10-25T06:00", id="paged before the longer night"
        ),
        pytest.param("10-24T19:30", "10-25T06:00", Severity.CRITICAL, None, id="the night is over"),
    ],
)
def test_that_it_is_over_wakes_only_whom_the_page_woke(
    told: str, now: str, severity: Severity, held_until: str | None
) -> None:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(f"2026-{text}+00:00")

    alert = replace(ALERT, subject=replace(ALERT.subject, severity=severity), resolved_at=at(now))
    case = Case(Reason.RESOLVED, alert, Told(1, severity, at(told)), replace(CHANNEL, quiet=(BUT_CRITICAL,)), at(now))
    assert judge(case) == (hold(HeldBy.QUIET_HOURS, at(held_until), "night") if held_until else CLEAR)
    # A page passes at any time.
    assert (judge(replace(case, reason=Reason.FIRST)) == CLEAR) is (severity is Severity.CRITICAL or not held_until)


LONGER = Quiet("holidays", (QuietHours(EVERY_DAY, time(20), time(9), "UTC"),))
NOON = Quiet("noon", (QuietHours(EVERY_DAY, time(12), time(13), "UTC"),))
IN_SYDNEY = Quiet("Sydney", (QuietHours(EVERY_DAY, time(9), time(11), "Australia/Sydney"),))  # 22:00 to 24:00 UTC


@pytest.mark.parametrize(
    ("rules", "severity", "expected"),
    [
        pytest.param([], Severity.INFO, None, id="none"),
        pytest.param([NIGHTS], Severity.ERROR, ("nights", MORNING), id="it is night"),
        pytest.param([NIGHTS], Severity.CRITICAL, ("nights", MORNING), id="without an exception all are held"),
        pytest.param([NOON], Severity.ERROR, None, id="it is not noon"),
        pytest.param([IN_SYDNEY], Severity.ERROR, ("Sydney", MIDNIGHT), id="in their own time zone"),
        pytest.param(
            [replace(NIGHTS, unless=Severity.CRITICAL)], Severity.ERROR, ("nights", MORNING), id="not bad enough"
        ),
        pytest.param([replace(NIGHTS, unless=Severity.ERROR)], Severity.ERROR, None, id="as bad as the exception"),
        pytest.param([replace(NIGHTS, unless=Severity.ERROR)], Severity.CRITICAL, None, id="worse than the exception"),
        pytest.param([NIGHTS, LONGER], Severity.ERROR, ("holidays", MORNING + 2 * HOUR), id="the latest end"),
        pytest.param([LONGER, NIGHTS], Severity.ERROR, ("holidays", MORNING + 2 * HOUR), id="in any order"),
        pytest.param(
            [NIGHTS, replace(LONGER, unless=Severity.ERROR)],
            Severity.ERROR,
            ("nights", MORNING),
            id="the exception of one is not that of another",
        ),
    ],
)
def test_quiet_hours(rules: list[Quiet], severity: Severity, expected: tuple[str, datetime] | None) -> None:
    alert = replace(ALERT, subject=replace(ALERT.subject, severity=severity))
    case = replace(CASE, alert=alert, channel=replace(CHANNEL, quiet=tuple(rules)))
    assert judge(case) == (hold(HeldBy.QUIET_HOURS, expected[1], expected[0]) if expected else CLEAR)


# --- failover and budget

LAST_RESORT = ""


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(
            replace(CASE, dead="rejected: 21610"),
            Ruling(Action.DIVERT, "rejected: 21610", to="team"),
            id="dead: failover",
        ),
        pytest.param(
            replace(CASE, dead="rejected: 21610", channel=replace(CHANNEL, failover="")),
            Ruling(Action.DIVERT, "rejected: 21610", to=LAST_RESORT),
            id="dead, no failover: the last resort",
        ),
        pytest.param(replace(CASE, trying_since=NOW), CLEAR, id="its first failure"),
        pytest.param(replace(CASE, trying_since=NOW - 15 * MINUTE + TICK), CLEAR, id="failing for nearly 15 minutes"),
        pytest.param(
            replace(CASE, trying_since=NOW - 15 * MINUTE),
            Ruling(Action.DIVERT, "could not be delivered", to="team"),
            id="failing for 15 minutes",
        ),
        pytest.param(
            replace(CASE, trying_since=NOW - 15 * MINUTE, channel=replace(CHANNEL, failover_after=HOUR)),
            CLEAR,
            id="the channel is given an hour",
        ),
        pytest.param(
            replace(CASE, trying_since=NOW - 15 * MINUTE, channel=replace(CHANNEL, failover="")),
            Ruling(Action.DIVERT, "could not be delivered", to=LAST_RESORT),
            id="failing, no failover: the last resort",
        ),
        pytest.param(
            replace(CASE, trying_since=NOW - 48 * HOUR, told_elsewhere=True),
            CLEAR,
            id="failing, and others have heard: it is tried on",
        ),
        pytest.param(replace(CASE, budget_until=NOW + TICK), hold(HeldBy.BUDGET, NOW + TICK), id="spent"),
        pytest.param(replace(CASE, budget_until=NOW), CLEAR, id="the next day's budget begins"),
        pytest.param(replace(overflows(CASE), budget_until=NOW), CLEAR, id="and nothing overflows"),
    ],
)
def test_another_way(case: Case, expected: Ruling) -> None:
    assert judge(case) == expected


# --- what always holds

moments = st.integers(-3 * 24 * 60, 3 * 24 * 60).map(lambda minutes: NOW + minutes * MINUTE)
matchers = st.builds(
    Matcher,
    min_severity=st.none() | st.sampled_from(Severity),
    livemode=st.none() | st.booleans(),
)
times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 30]))
hours = st.builds(QuietHours, st.frozensets(st.integers(0, 6)), times, times, st.sampled_from(["UTC", "Europe/Berlin"]))
quiets = st.builds(
    Quiet,
    st.just("q"),
    hours.filter(lambda one: one.start != one.end).map(lambda one: (one,)),  # equal times are 24 hours, so always
    st.none() | st.sampled_from(Severity),
)
cases = st.builds(
    Case,
    reason=st.sampled_from(Reason),
    alert=st.builds(
        replace,
        st.just(ALERT),
        subject=st.sampled_from(Severity).map(lambda severity: replace(ALERT.subject, severity=severity)),
        resolved_at=st.none() | moments,
        acknowledged_until=st.none() | moments,
        inhibited_by=st.sampled_from([None, None, 117]),
    ),
    told=st.just(CASE.told),
    channel=st.builds(
        replace,
        st.just(CHANNEL),
        failover=st.sampled_from(["", "team"]),
        quiet=st.lists(quiets, max_size=2).map(tuple),
        limits=st.builds(Limits, overflow=st.sampled_from(["", "slack"])),
    ),
    now=st.just(NOW),
    silences=st.lists(st.builds(Silenced, st.integers(1, 9), matchers, moments, moments), max_size=3).map(tuple),
    dead=st.sampled_from(["", "", "set aside"]),
    trying_since=st.none() | moments,
    budget_until=st.none() | moments,
)


@settings(max_examples=30)
@given(cases)
def test_nothing_is_ever_dropped_and_what_is_held_is_judged_again(case: Case) -> None:
    ruling = judge(case)
    assert ruling.name
    match ruling.action:
        case Action.HOLD:
            assert ruling.until is not None
            assert ruling.until > case.now
        case Action.SEND:
            assert ruling == CLEAR
        case Action.DIVERT:
            assert ruling.until is None


@settings(max_examples=20)
@given(cases)
def test_every_hold_ends(case: Case) -> None:
    """Judged again whenever the guard that held it ends, it gets through, for no silence and no day lasts for ever."""
    case = replace(case, alert=replace(case.alert, inhibited_by=None))
    case = replace(case, channel=replace(case.channel, quiet=case.channel.quiet[:1]))
    for _ in range(20):
        ruling = judge(case)
        if ruling.until is None:
            return
        case = replace(case, now=ruling.until)
    pytest.fail(f"still held: {ruling}")


def test_an_acknowledgement_does_not_hold_what_is_worse_than_what_was_acknowledged() -> None:
    """The on-call person whom an alert reaches only when it turns critical has not acknowledged anything."""
    taken_on = replace(ALERT, acknowledged_until=NOW + HOUR, acknowledged_severity=Severity.WARNING)
    worse = replace(taken_on, subject=replace(ALERT.subject, severity=Severity.CRITICAL))
    assert judge(replace(CASE, reason=Reason.FIRST, told=Told(), alert=worse)) == CLEAR
    same = replace(taken_on, acknowledged_severity=worse.subject.severity, subject=worse.subject)
    assert judge(replace(CASE, reason=Reason.FIRST, told=Told(), alert=same)).name == "acknowledged"
