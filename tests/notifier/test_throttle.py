from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.facts import Reason, Severity
from notifier.judge.throttle import SLACK, SMS, Allowed, Pending, Window, fair_order, next_allowed, prune_before

T0 = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
quick = settings(max_examples=20)


def at(*minutes: float) -> list[datetime]:
    return [T0 + m * MINUTE for m in minutes]


def flood(windows: Sequence[Window], messages: int) -> list[float]:
    """The minutes at which messages go when more of them wait than can ever be sent."""
    sent: list[datetime] = []
    now = T0
    for _ in range(messages):
        now = next_allowed(windows, sent, now).at
        sent.append(now)
    return [(t - T0) / MINUTE for t in sent]


FLOOD_BY_SMS = [0, 1, 2, 3, 4, 15, 22.5, 30, 37.5, 45, 52.5, 60, 72, 84, 96, 108, 120, 132, 144, 156, 168]


def test_a_flood_by_sms_goes_out_as_a_burst_and_then_ever_more_thinly() -> None:
    assert flood(SMS, 21) == FLOOD_BY_SMS


def test_a_flood_that_lasts_begins_anew_after_the_longest_window() -> None:
    assert flood(SMS, 42) == FLOOD_BY_SMS + [180 + m for m in FLOOD_BY_SMS]


def test_a_smooth_window_lets_the_window_before_it_through_and_spreads_the_rest() -> None:
    windows = [Window(3, 15 * MINUTE), Window(7, 60 * MINUTE, smooth=True)]
    assert flood(windows, 8) == [0, 0, 0, 15, 26.25, 37.5, 48.75, 60]


def test_slack_gets_one_message_a_second() -> None:
    assert flood(SLACK, 3) == [0, 1 / 60, 2 / 60]


ONE, FIVE, HOUR, THREE_HOURS = SMS
SMOOTH = Window(3, 15 * MINUTE, smooth=True)


@pytest.mark.parametrize(
    ("windows", "sent", "expected", "window"),
    [
        pytest.param(SMS, [], 0, None, id="nothing sent"),
        pytest.param([], [0, 0, 0], 0, None, id="no windows"),
        pytest.param(SMS, [0], 1, ONE, id="the burst has its minute"),
        pytest.param(SMS, [-1], 0, None, id="a window ends exactly now"),
        pytest.param(SMS, [-9, -8, -7, -6, -5], 6, FIVE, id="the burst is spent"),
        pytest.param(SMS, [-20, -19, -18, -17, -16, -5], 2.5, HOUR, id="the hour's rest is spread"),
        pytest.param([ONE, FIVE], [-20, -19, -18, -17, -16, -5], 0, None, id="no smooth window, nothing spread"),
        # GoAlert would send at once: the message an hour ago makes its window look nearly spent.
        pytest.param(SMS, [-59, -20, -19, -18, -17, -16, -5], 2.5, HOUR, id="an old message opens no burst"),
        pytest.param(SMS, [m - 168 for m in FLOOD_BY_SMS], 12, THREE_HOURS, id="the longest window's count is spent"),
        pytest.param(
            [Window(1, 5 * MINUTE), Window(2, 10 * MINUTE)],
            [-5, 0],
            5,
            Window(2, 10 * MINUTE),
            id="of two that end together the longer is named",
        ),
        pytest.param([SMOOTH], [0], 5, SMOOTH, id="a smooth window alone"),
        pytest.param(
            [Window(3, MINUTE), SMOOTH],
            [-2, -1, -1],
            13,
            SMOOTH,
            id="the window before left nothing to spread",
        ),
    ],
)
def test_next_allowed(windows: Sequence[Window], sent: list[float], expected: float, window: Window | None) -> None:
    allowed = next_allowed(windows, at(*sent), T0)
    assert allowed == Allowed(T0 + expected * MINUTE, window)


def test_the_order_in_which_windows_are_written_does_not_matter() -> None:
    assert flood(SMS[::-1], 21) == FLOOD_BY_SMS


def test_steps_that_do_not_divide_evenly_add_up_to_the_window() -> None:
    assert flood([Window(7, MINUTE, smooth=True)], 8) == pytest.approx([n / 7 for n in range(8)], abs=1e-7)
    assert flood([Window(7, MINUTE, smooth=True)], 8)[-1] == 1


@pytest.mark.parametrize(
    ("count", "per", "complaint"),
    [(0, MINUTE, "count must be 1 or more"), (1, timedelta(0), "per must be positive")],
)
def test_a_window_that_makes_no_sense_is_refused(count: int, per: timedelta, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Window(count, per)


# --- what always holds

some_windows = st.lists(
    st.builds(Window, st.integers(1, 6), st.timedeltas(timedelta(seconds=1), timedelta(hours=3)), st.booleans()),
    min_size=1,
    max_size=4,
)
some_past = st.lists(st.timedeltas(timedelta(hours=-4), timedelta(0)).map(lambda d: T0 + d), max_size=25)


@quick
@given(some_windows, st.lists(st.timedeltas(timedelta(0), timedelta(minutes=40)), max_size=30))
def test_no_span_of_a_window_ever_holds_more_than_its_count(windows: list[Window], pauses: list[timedelta]) -> None:
    sent: list[datetime] = []
    now = T0
    for pause in pauses:
        now = next_allowed(windows, sent, now + pause).at
        sent.append(now)
    for window in windows:
        spans = zip(sent, sent[window.count :], strict=False)
        assert all(last - first >= window.per for first, last in spans)


@quick
@given(some_windows, some_past)
def test_it_is_the_earliest_time_at_which_no_plain_window_is_full(windows: list[Window], past: list[datetime]) -> None:
    plain = [Window(w.count, w.per) for w in windows]

    def free(t: datetime) -> bool:
        return all(sum(s > t - w.per for s in past) < w.count for w in plain)

    candidates = [T0, *(s + w.per for s in past for w in plain if s + w.per > T0)]
    assert next_allowed(plain, past, T0).at == min(t for t in candidates if free(t))


@quick
@given(some_windows, some_past, st.integers(0, 99))
def test_it_may_go_at_the_time_given_and_not_before(windows: list[Window], past: list[datetime], percent: int) -> None:
    allowed = next_allowed(windows, past, T0)
    assert next_allowed(windows, past, allowed.at) == Allowed(allowed.at, None)
    assert (allowed.window is None) == (allowed.at == T0)
    if allowed.at > T0:
        for earlier in (T0 + (allowed.at - T0) * percent // 100, allowed.at - timedelta(microseconds=1)):
            assert next_allowed(windows, past, earlier) == allowed


@quick
@given(some_windows, some_past, some_past, st.timedeltas(timedelta(0), timedelta(hours=4)))
def test_neither_waiting_nor_sending_more_brings_it_forward(
    windows: list[Window], past: list[datetime], more: list[datetime], wait: timedelta
) -> None:
    first = next_allowed(windows, past, T0).at
    assert next_allowed(windows, past, T0 + wait).at == max(first, T0 + wait)
    assert next_allowed(windows, past + more, T0).at >= first


@quick
@given(some_windows, some_past, st.randoms(use_true_random=False))
def test_neither_the_order_of_history_nor_what_is_pruned_matters(
    windows: list[Window], past: list[datetime], rng: random.Random
) -> None:
    shuffled = [sent for sent in past if sent > prune_before(windows, T0)]
    rng.shuffle(shuffled)
    assert next_allowed(windows, shuffled, T0) == next_allowed(windows, past, T0)


@quick
@given(some_windows, some_past, st.timedeltas(timedelta(hours=-4), timedelta(days=9000)))
def test_a_clock_that_was_set_back_holds_nothing_longer_than_the_longest_window(
    windows: list[Window], past: list[datetime], step: timedelta
) -> None:
    allowed = next_allowed(windows, [sent + step for sent in past], T0)
    assert T0 <= allowed.at <= T0 + max(w.per for w in windows)


# --- whose turn it is


def waiting(key: str, group: str = "a", reason: Reason = Reason.FIRST, **given: object) -> Pending:
    fields: dict[str, object] = {"severity": Severity.ERROR, "due_at": T0, "sent_to_alert": 0, **given}
    return Pending(key, group, reason, **fields)  # type: ignore[arg-type]  # keyword by keyword in the table


def keys(order: tuple[Pending, ...]) -> list[str]:
    return [pending.key for pending in order]


@pytest.mark.parametrize(
    ("first", "second", "served"),
    [
        pytest.param(
            waiting("new alert", "b", due_at=T0 + MINUTE),
            waiting("hundredth of an old one", reason=Reason.UPDATE, sent_to_alert=99),
            [],
            id="news before more of the same",
        ),
        pytest.param(
            waiting("new error"),
            waiting("critical update", reason=Reason.UPDATE, severity=Severity.CRITICAL),
            [],
            id="news before more of the same, even of something worse",
        ),
        pytest.param(
            waiting("raised", reason=Reason.RAISED, severity=Severity.CRITICAL, sent_to_alert=7),
            waiting("first", severity=Severity.ERROR),
            [],
            id="the worse first, be it raised or new",
        ),
        pytest.param(
            waiting("critical", "a", severity=Severity.CRITICAL),
            waiting("error", "b"),
            ["a"] * 20,
            id="the worse first, however often its group was served",
        ),
        pytest.param(
            waiting("reopened", reason=Reason.REOPENED, sent_to_alert=3),
            waiting("reminder", reason=Reason.REPEAT, sent_to_alert=1),
            [],
            id="back again is news",
        ),
        pytest.param(
            waiting("never served", "b", due_at=T0 + 9 * MINUTE),
            waiting("served", "a"),
            ["a"],
            id="the group served least often",
        ),
        pytest.param(
            waiting("served long ago", "b", due_at=T0 + 9 * MINUTE),
            waiting("served last", "a"),
            ["b", "a"],
            id="served equally often: the group served longest ago",
        ),
        pytest.param(
            waiting("told once", reason=Reason.UPDATE, sent_to_alert=1, due_at=T0 + MINUTE),
            waiting("told twice", reason=Reason.UPDATE, sent_to_alert=2),
            [],
            id="within a group the alert told least",
        ),
        pytest.param(waiting("due"), waiting("due later", due_at=T0 + MINUTE), [], id="then what is due longest"),
        pytest.param(
            waiting("test", reason=Reason.TEST, severity=Severity.INFO),
            waiting("page", severity=Severity.CRITICAL),
            [],
            id="somebody waits for a test",
        ),
        pytest.param(
            waiting("over", reason=Reason.RESOLVED, severity=Severity.INFO),
            waiting("digest", reason=Reason.DIGEST, severity=Severity.CRITICAL),
            [],
            id="a digest can wait",
        ),
    ],
)
def test_whose_turn_it_is(first: Pending, second: Pending, served: list[str]) -> None:
    assert fair_order([first, second], served) == (first, second)
    assert fair_order([second, first], served) == (first, second)


STORM = [waiting(f"storm {n:03}", "storm", due_at=T0 + n * MINUTE) for n in range(300)]
OTHER = waiting("other", "other", due_at=T0 + 300 * MINUTE)


def test_after_300_alerts_of_one_kind_the_next_slot_goes_to_the_other() -> None:
    assert fair_order([*STORM, OTHER], ["storm"])[0] == OTHER


def test_groups_take_turns() -> None:
    others = [waiting(f"other {n}", "other", due_at=T0 + (300 + n) * MINUTE) for n in range(2)]
    expected = ["storm 000", "other 0", "storm 001", "other 1", "storm 002", "storm 003"]
    assert keys(fair_order([*STORM, *others]))[:6] == expected


def test_a_group_that_was_served_more_waits_until_the_others_have_caught_up() -> None:
    others = [waiting(f"other {n}", "other", due_at=T0 + (300 + n) * MINUTE) for n in range(3)]
    expected = ["other 0", "other 1", "storm 000", "other 2", "storm 001"]
    assert keys(fair_order([*STORM, *others], ["other", "storm", "storm", "storm"]))[:5] == expected


some_news = st.lists(
    st.builds(
        Pending,
        key=st.uuids().map(str),
        group=st.sampled_from("abc"),
        reason=st.just(Reason.FIRST),
        severity=st.sampled_from(Severity),
        due_at=st.integers(0, 3).map(lambda n: T0 + n * MINUTE),
        sent_to_alert=st.integers(0, 3),
    ),
    max_size=12,
    unique_by=lambda p: p.key,
)


@quick
@given(some_news, st.lists(st.sampled_from("abc"), max_size=6), st.randoms(use_true_random=False))
def test_every_slot_goes_to_the_worst_and_among_those_to_the_group_served_least(
    pending: list[Pending], served: list[str], rng: random.Random
) -> None:
    order = fair_order(pending, served)
    assert sorted(keys(order)) == sorted(p.key for p in pending)
    turns = Counter(served)
    for position, chosen in enumerate(order):
        left = order[position:]
        assert chosen.severity == max(p.severity for p in left)
        assert turns[chosen.group] == min(turns[p.group] for p in left if p.severity == chosen.severity)
        turns[chosen.group] += 1
    rng.shuffle(pending)
    assert fair_order(pending, served) == order


@quick
@given(some_news, st.lists(st.sampled_from("abc"), max_size=6), st.integers(0, 12))
def test_asking_again_after_some_were_sent_gives_the_same_order(
    pending: list[Pending], served: list[str], sent: int
) -> None:
    order = fair_order(pending, served)
    assert fair_order(order[sent:], [*served, *(p.group for p in order[:sent])]) == order[sent:]
