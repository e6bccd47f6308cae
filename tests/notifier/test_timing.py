from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.facts import AlertState, Category, Due, Reason, Severity, Subject, Timing, Told
from notifier.judge.timing import next_due, window_after

T0 = datetime(2026, 11, 22, 14, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOTHING = Told()


def at(minute: float) -> datetime:
    """Minutes after the alert was opened."""
    return T0 + minute * MINUTE


def alert(
    count: int = 1,
    *,
    severity: Severity = Severity.ERROR,
    burst: float = 0,
    opened: float = 0,
    resolved: float | None = None,
) -> AlertState:
    return AlertState(
        subject=Subject(severity=severity, category=Category.CODE),
        count=count,
        opened_at=at(opened),
        storm_since=at(burst),
        resolved_at=None if resolved is None else at(resolved),
    )


def answered(state: AlertState) -> AlertState:
    return replace(state, last_answer=7)


def told(seq: int, minute: float, *, window: int = 0, resolved: bool = False) -> Told:
    return Told(seq, Severity.ERROR, at(minute), window, resolved)


def due(reason: Reason, minute: float) -> Due:
    return Due(reason, at(minute))


DEFAULT = Timing()
REPEATS = Timing(repeat=10 * MINUTE)
QUIETLY = Timing(resolved=False)
WAITS = Timing(wait=2 * MINUTE)
CRITICAL = Severity.CRITICAL


# The clock stands at minute 20 in every row.
@pytest.mark.parametrize(
    ("known", "state", "timing", "expected"),
    [
        # Alertmanager's notify/notify_test.go, TestDedupStageNeedsUpdate, in its order. A set of alerts that fire is
        # one alert's occurrences here, so "a subset" is "no more than was told".
        pytest.param(NOTHING, alert(3), DEFAULT, due(Reason.FIRST, 20), id="nothing told, firing"),
        pytest.param(NOTHING, alert(3, resolved=19), DEFAULT, None, id="nothing told, only resolved"),
        pytest.param(told(3, 14), alert(4), DEFAULT, due(Reason.UPDATE, 20), id="more than was told"),
        pytest.param(Told(3, None, None), alert(3), DEFAULT, due(Reason.FIRST, 20), id="told at no time"),
        pytest.param(told(3, 11), alert(3), REPEATS, due(Reason.REPEAT, 21), id="no news, 9 of 10 minutes"),
        pytest.param(told(3, 9), alert(3), REPEATS, due(Reason.REPEAT, 20), id="no news, 11 of 10 minutes"),
        pytest.param(told(3, 9, resolved=True), alert(3, resolved=8), REPEATS, None, id="resolved already told"),
        pytest.param(told(3, 11), alert(3, resolved=19), QUIETLY, None, id="over, not to be told"),
        pytest.param(told(3, 11), alert(3, resolved=19), DEFAULT, due(Reason.RESOLVED, 20), id="over"),
        # a step of escalation names it
        pytest.param(
            Told(0, asked_level=1), alert(3), DEFAULT, due(Reason.ESCALATED, 20), id="a step, never told before"
        ),
        pytest.param(
            Told(3, Severity.ERROR, at(19), asked_level=2, level=1),
            alert(3),
            DEFAULT,
            due(Reason.ESCALATED, 20),
            id="a step, told the one before",
        ),
        pytest.param(
            Told(3, Severity.ERROR, at(19), asked_level=2, level=2), alert(3), DEFAULT, None, id="a step that was told"
        ),
        pytest.param(
            Told(3, Severity.ERROR, at(19), asked_level=2, level=1),
            alert(3, resolved=19),
            DEFAULT,
            due(Reason.RESOLVED, 20),
            id="a step, and it is over",
        ),
        # the first message
        pytest.param(NOTHING, alert(opened=20), DEFAULT, due(Reason.FIRST, 20), id="first, at once"),
        pytest.param(NOTHING, alert(opened=19), WAITS, due(Reason.FIRST, 21), id="first, collecting"),
        pytest.param(
            NOTHING, alert(9, opened=19), WAITS, due(Reason.FIRST, 21), id="more does not make it wait longer"
        ),
        pytest.param(NOTHING, alert(opened=18), WAITS, due(Reason.FIRST, 20), id="first, collected"),
        pytest.param(NOTHING, alert(opened=2), WAITS, due(Reason.FIRST, 20), id="first, long overdue"),
        # over
        pytest.param(
            told(3, 19), alert(9, resolved=20), DEFAULT, due(Reason.RESOLVED, 20), id="over, within the window"
        ),
        pytest.param(told(3, 9), alert(9, resolved=20), REPEATS, due(Reason.RESOLVED, 20), id="over, a reminder due"),
        pytest.param(
            told(3, 9),
            alert(9, severity=CRITICAL, resolved=20),
            DEFAULT,
            due(Reason.RESOLVED, 20),
            id="over, and worse",
        ),
        # more
        pytest.param(told(3, 20), alert(3), DEFAULT, None, id="no news, no reminders"),
        pytest.param(told(3, 16), alert(4), DEFAULT, due(Reason.UPDATE, 21), id="more, 4 of 5 minutes"),
        pytest.param(told(3, 15), alert(4), DEFAULT, due(Reason.UPDATE, 20), id="more, 5 of 5 minutes"),
        pytest.param(told(3, 16, window=2), alert(4), DEFAULT, due(Reason.UPDATE, 36), id="more, 4 of 20 minutes"),
        pytest.param(
            told(3, 16, window=9), alert(4), DEFAULT, due(Reason.UPDATE, 46), id="more, the last window lasts"
        ),
        pytest.param(
            told(3, 16, window=2), alert(4, burst=18), DEFAULT, due(Reason.UPDATE, 21), id="more, in a new storm"
        ),
        pytest.param(told(3, 16), alert(4), Timing(windows=()), due(Reason.UPDATE, 20), id="more, no windows"),
        pytest.param(told(3, 22), alert(4), DEFAULT, due(Reason.UPDATE, 27), id="more, after the clock was set back"),
        pytest.param(told(3, 5), alert(4), REPEATS, due(Reason.UPDATE, 20), id="news comes before a reminder"),
        pytest.param(told(3, 16), alert(3), QUIETLY, None, id="resolved=False changes nothing while it is open"),
        # answered
        pytest.param(told(3, 19), answered(alert(3)), DEFAULT, due(Reason.ANSWERED, 20), id="answered"),
        pytest.param(told(3, 19), answered(alert(9)), REPEATS, due(Reason.ANSWERED, 20), id="answered, and more"),
        pytest.param(replace(told(3, 19), answer=7), answered(alert(3)), DEFAULT, None, id="answered, and told of it"),
        pytest.param(NOTHING, answered(alert()), DEFAULT, due(Reason.FIRST, 20), id="answered by others before"),
        pytest.param(
            told(3, 19), answered(alert(3, resolved=19)), DEFAULT, due(Reason.RESOLVED, 20), id="answered, and over"
        ),
        pytest.param(
            told(3, 19),
            answered(alert(3, severity=CRITICAL)),
            DEFAULT,
            due(Reason.RAISED, 20),
            id="answered, and worse",
        ),
        # worse
        pytest.param(
            told(3, 19), alert(4, severity=CRITICAL), DEFAULT, due(Reason.RAISED, 20), id="worse, within the window"
        ),
        pytest.param(told(3, 19), alert(3, severity=CRITICAL), DEFAULT, due(Reason.RAISED, 20), id="worse, no more"),
        pytest.param(told(3, 19), alert(3, severity=Severity.WARNING), DEFAULT, None, id="less bad is no news"),
        pytest.param(Told(3, None, at(19)), alert(3), DEFAULT, None, id="worse than nobody knows what"),
        pytest.param(
            NOTHING, alert(opened=19, severity=CRITICAL), WAITS, due(Reason.FIRST, 21), id="nothing told is not worse"
        ),
        # opened again: each turn of a flapping problem would else be told twice
        pytest.param(
            told(3, 18, resolved=True),
            alert(4, opened=19),
            DEFAULT,
            due(Reason.REOPENED, 23),
            id="again, within the window",
        ),
        pytest.param(
            told(3, 14, resolved=True),
            alert(4, opened=19),
            DEFAULT,
            due(Reason.REOPENED, 20),
            id="again, after the window",
        ),
        pytest.param(
            told(3, 14, window=3, resolved=True),
            alert(4, opened=19),
            DEFAULT,
            due(Reason.REOPENED, 20),
            id="again, by the first window",
        ),
        pytest.param(
            told(3, 18, resolved=True),
            alert(4, opened=19),
            Timing(windows=()),
            due(Reason.REOPENED, 20),
            id="again, no windows",
        ),
        pytest.param(
            told(3, 18, resolved=True),
            alert(4, opened=19, severity=CRITICAL),
            DEFAULT,
            due(Reason.REOPENED, 20),
            id="again and worse: at once",
        ),
        pytest.param(
            told(3, 18, resolved=True), alert(9, resolved=20), DEFAULT, None, id="again and over before it was told"
        ),
        pytest.param(
            told(3, 18), alert(4, opened=19), QUIETLY, due(Reason.UPDATE, 23), id="again, its end untold: just more"
        ),
    ],
)
def test_what_is_due(known: Told, state: AlertState, timing: Timing, expected: Due | None) -> None:
    assert next_due(known, state, timing, at(20)) == expected


# --- a target, told whenever something is due


@dataclass
class Sent:
    minute: float
    reason: Reason
    up_to: int
    before: Told
    state: AlertState


@dataclass
class Storm:
    """An alert as alerts.py counts it and one target's row as outbox.py plans it, on a clock that is turned by hand."""

    timing: Timing = DEFAULT
    quiet_period: timedelta = 30 * MINUTE
    now: datetime = T0
    state: AlertState | None = None
    last_at: datetime = T0
    known: Told = NOTHING
    sent: list[Sent] = field(default_factory=list)

    def fail(self, severity: Severity = Severity.ERROR) -> None:
        old = self.state
        if old is None or (old.resolved_at is not None and old.resolved_at <= self.now - self.quiet_period):
            new = alert(severity=severity)
            self.state = replace(new, opened_at=self.now, storm_since=self.now)
            self.known = NOTHING
        else:
            new_burst = self.last_at < self.now - self.quiet_period
            self.state = replace(
                old,
                count=old.count + 1,
                subject=replace(old.subject, severity=max(old.subject.severity, severity)),
                storm_since=self.now if new_burst else old.storm_since,
                opened_at=old.opened_at if old.resolved_at is None else self.now,
                resolved_at=None,
            )
        self.last_at = self.now
        self.send()

    def resolve(self) -> None:
        if self.state is not None and self.state.resolved_at is None:
            self.state = replace(self.state, resolved_at=self.now)
        self.send()

    def turn(self, minutes: float) -> None:
        end = self.now + minutes * MINUTE
        while (found := self.next()) is not None and found.at <= end:
            self.now = max(self.now, found.at)
            self.send()
        self.now = end

    def next(self) -> Due | None:
        return next_due(self.known, self.state, self.timing, self.now) if self.state else None

    def send(self) -> None:
        found = self.next()
        if self.state is None or found is None or found.at > self.now:
            return
        self.sent.append(Sent((self.now - T0) / MINUTE, found.reason, self.state.count, self.known, self.state))
        self.known = Told(
            self.state.count,
            self.state.subject.severity,
            self.now,
            window_after(found.reason, self.known, self.state),
            found.reason is Reason.RESOLVED,
        )

    def minutes(self, *reasons: Reason) -> list[float]:
        return [one.minute for one in self.sent if not reasons or one.reason in reasons]


def test_windows_grow_while_the_storm_lasts() -> None:
    storm = Storm()
    for _ in range(200):
        storm.fail()
        storm.turn(1)
    assert storm.minutes() == [0, 5, 15, 35, 65, 95, 125, 155, 185]
    assert [one.up_to for one in storm.sent[:4]] == [1, 5, 15, 35]


def test_windows_are_the_first_again_after_a_quiet_period() -> None:
    storm = Storm()
    for minute in range(142):
        if not 37 <= minute < 100:
            storm.fail()
        storm.turn(1)
    # The rest of the first storm is told when its window ends; the second one begins a row of its own.
    assert storm.minutes() == [0, 5, 15, 35, 65, 100, 105, 115, 135]


def test_a_pause_shorter_than_the_quiet_period_starts_nothing_over() -> None:
    storm = Storm()
    for minute in range(100):
        if not 37 <= minute < 66:
            storm.fail()
        storm.turn(1)
    assert storm.minutes() == [0, 5, 15, 35, 65, 95]


def test_one_window_is_always_the_same() -> None:
    storm = Storm(Timing(windows=(7 * MINUTE,)))
    for _ in range(30):
        storm.fail()
        storm.turn(1)
    assert storm.minutes() == [0, 7, 14, 21, 28]


def test_worse_breaks_through_at_once_and_the_windows_start_over() -> None:
    storm = Storm()
    for minute in range(60):
        storm.fail(CRITICAL if minute == 20 else Severity.ERROR)
        storm.turn(1)
    assert [(one.minute, one.reason) for one in storm.sent] == [
        (0, Reason.FIRST),
        (5, Reason.UPDATE),
        (15, Reason.UPDATE),
        (20, Reason.RAISED),
        (25, Reason.UPDATE),
        (35, Reason.UPDATE),
        (55, Reason.UPDATE),
    ]


def test_reminders_come_while_nothing_is_new_and_end_with_the_alert() -> None:
    storm = Storm(Timing(repeat=60 * MINUTE))
    storm.fail()
    storm.turn(200)
    storm.resolve()
    storm.turn(200)
    assert [(one.minute, one.reason) for one in storm.sent] == [
        (0, Reason.FIRST),
        (60, Reason.REPEAT),
        (120, Reason.REPEAT),
        (180, Reason.REPEAT),
        (200, Reason.RESOLVED),
    ]


def test_a_reminder_does_not_make_a_storm_loud_again() -> None:
    storm = Storm(REPEATS)
    for minute in (0, 1, 6, 16, 45.5):
        storm.turn(minute - (storm.now - T0) / MINUTE)
        storm.fail()
    storm.turn(60)
    # 35 told the rest of the storm; after the reminder at 45 the next update still waits for its half hour.
    assert [(one.minute, one.reason) for one in storm.sent][4:7] == [
        (45, Reason.REPEAT),
        (75, Reason.UPDATE),
        (85, Reason.REPEAT),
    ]


def test_what_flaps_is_told_once_in_a_window() -> None:
    storm = Storm()
    for _ in range(9):
        storm.fail()
        storm.turn(1)
        storm.resolve()
        storm.turn(1)
    assert [(one.minute, one.reason) for one in storm.sent] == [
        (0, Reason.FIRST),
        (1, Reason.RESOLVED),
        (6, Reason.REOPENED),
        (7, Reason.RESOLVED),
        (12, Reason.REOPENED),
        (13, Reason.RESOLVED),
    ]


def test_what_is_over_while_it_is_collected_is_never_told() -> None:
    storm = Storm(WAITS)
    storm.fail()
    storm.turn(1)
    storm.resolve()
    storm.turn(60)
    assert storm.sent == []


# --- what always holds

minutes = st.sampled_from([0, 0.5, 1, 4, 5, 6, 10, 20, 29, 30, 31, 60, 90])
steps = st.lists(
    st.one_of(
        st.sampled_from(Severity),  # a failure as bad as that
        st.just("resolve"),
        minutes,  # the clock goes on
    ),
    max_size=25,
)
timings = st.builds(
    Timing,
    wait=st.sampled_from([timedelta(0), 3 * MINUTE]),
    windows=st.sampled_from([DEFAULT.windows, (5 * MINUTE,), ()]),
    repeat=st.sampled_from([None, 15 * MINUTE, 120 * MINUTE]),
    resolved=st.booleans(),
)


def run(steps: Sequence[Severity | str | float], timing: Timing) -> Storm:
    storm = Storm(timing)
    for step in steps:
        if isinstance(step, Severity):
            storm.fail(step)
        elif isinstance(step, str):
            storm.resolve()
        else:
            storm.turn(step)
        check_now(storm)
    return storm


def check_now(storm: Storm) -> None:
    state, known = storm.state, storm.known
    if state is None:
        return
    assert known.seq <= state.count
    if state.resolved_at is None and known.seq < state.count:
        found = storm.next()
        assert found is not None, "untold, and no plan to tell it"
        longest = max(storm.timing.windows, default=timedelta(0))
        assert found.at <= max(storm.now, storm.now + longest, state.opened_at + storm.timing.wait)


@settings(max_examples=30)
@given(steps, timings)
def test_any_history(steps: Sequence[Severity | str | float], timing: Timing) -> None:
    storm = run(steps, timing)
    first = timing.windows[0] if timing.windows else timedelta(0)
    for one in storm.sent:
        before, state = one.before, one.state
        now = T0 + one.minute * MINUTE
        worse = before.severity is not None and state.subject.severity > before.severity
        match one.reason:
            case Reason.FIRST:
                assert before == NOTHING
                assert now >= state.opened_at + timing.wait
            case Reason.UPDATE:
                assert one.up_to > before.seq
                assert before.at is not None
                assert now - before.at >= first
            case Reason.REOPENED:
                assert before.resolved
                assert before.at is not None
                assert worse or now - before.at >= first
            case Reason.RAISED:
                assert worse
            case Reason.REPEAT:
                assert one.up_to == before.seq
                assert before.at is not None
                assert timing.repeat is not None
                assert now - before.at >= timing.repeat
            case Reason.RESOLVED:
                assert timing.resolved
                assert state.resolved_at is not None
                assert before.seq > 0
                assert not before.resolved
        assert (state.resolved_at is None) is (one.reason is not Reason.RESOLVED)
        assert before.resolved is (one.reason is Reason.REOPENED)


@settings(max_examples=20)
@given(steps, timings)
def test_in_the_end_everything_is_told(steps: Sequence[Severity | str | float], timing: Timing) -> None:
    storm = run([*steps, Severity.INFO, 31], timing)
    assert storm.state is not None
    assert storm.known.seq == storm.state.count
    storm.resolve()
    assert storm.next() is None or storm.next() == Due(Reason.RESOLVED, storm.now)
    assert storm.known.resolved is timing.resolved
