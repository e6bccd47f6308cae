"""When the next message to one recipient may go, and which one it should be. Pure.

The rules are those of GoAlert (engine/message/throttle.go): several sliding windows apply at once. A smooth window lets
as many messages through at once as the shorter window before it, and spreads the rest evenly over the rest of its time.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush

from notifier.facts import Reason, Severity


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` messages in any span of `per`."""

    count: int
    per: timedelta
    smooth: bool = False  # spread what the next shorter window leaves evenly, instead of all at once

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError("a window lets at least one message through: count must be 1 or more")
        if self.per <= timedelta(0):
            raise ValueError("a window lasts longer than nothing: per must be positive")


# GoAlert's limits for alert messages by SMS: what a person woken at night can still read.
SMS = (
    Window(1, timedelta(minutes=1)),
    Window(5, timedelta(minutes=15)),
    Window(11, timedelta(hours=1), smooth=True),
    Window(21, timedelta(hours=3), smooth=True),
)
# Slack takes one message per second and channel: https://docs.slack.dev/apis/web-api/rate-limits
SLACK = (Window(1, timedelta(seconds=1)),)


# So many messages people still read one by one; more are sent as one message that lists them.
HANDFUL = Window(5, timedelta(minutes=1))
MAIL = (Window(5, timedelta(minutes=15)),)
# For new critical alerts, so that they do not wait until MAIL allows one message for all that wait.
MAIL_CRITICAL = (Window(1, timedelta(minutes=1)), Window(10, timedelta(minutes=15)), Window(20, timedelta(hours=1)))


def folds(waiting: int, history: Sequence[datetime], handful: Window, now: datetime) -> bool:
    """Whether `waiting` messages are sent as one: together with those sent lately they are more than a handful."""
    lately = sum(1 for sent in history if now - handful.per < sent <= now)
    return waiting > 1 and waiting + lately > handful.count


def next_post(history: Sequence[datetime], handful: Window, now: datetime) -> Allowed:
    """When the next message may be sent where a handful are sent one by one, and after them one list in each `per`.

    `history`: when messages were begun; edits of messages do not count.
    """
    return next_allowed((Window(handful.count + 1, handful.per),), history, now)


@dataclass(frozen=True, slots=True)
class Allowed:
    """When the next message may go, and which window it has to wait for (None when it may go at once)."""

    at: datetime
    window: Window | None


def next_allowed(windows: Sequence[Window], history: Sequence[datetime], now: datetime) -> Allowed:
    """The earliest time from `now` on at which every window lets one more message through.

    `history` holds the times of the messages already sent to this recipient, in any order; what is older than
    `prune_before` may be left out. Times later than `now` were written by a clock that was wrong: they are
    ignored, because to pass a limit once does less harm than to hold a page until the clock has caught up.
    """
    past = sorted((sent for sent in history if sent <= now), reverse=True)
    waits = [(past[count - 1] + per, window) for count, per, window in _spans(windows) if len(past) >= count]
    # Of windows that end at the same time the longest one explains the wait best.
    at, window = max(waits, key=lambda wait: (wait[0], wait[1].per), default=(now, None))
    return Allowed(at, window) if at > now else Allowed(now, None)


def prune_before(windows: Sequence[Window], now: datetime) -> datetime:
    """Messages sent at or before this time change no answer of `next_allowed` from `now` on."""
    return now - max((window.per for window in windows), default=timedelta(0))


def _spans(windows: Sequence[Window]) -> Iterator[tuple[int, timedelta, Window]]:
    """Each window as plain "at most count in any span of per"; a smooth one is a staircase of them.

    "11 in an hour, smooth" after "5 in 15 minutes" leaves 6 for the 45 minutes that remain, one every 7.5: at
    most 6 in any 22.5 minutes, 7 in any 30, ... 11 in any 60. GoAlert measures the spread from the first
    message in the window instead. For a flood both give the same times, but there a single old message makes
    the window look half spent and lets a burst through, and when it drops out an allowed message becomes
    forbidden again. With plain spans the answer is one subtraction, time alone never takes a permission back,
    and one more message sent never brings one forward.
    """
    count, per = 0, timedelta(0)
    for window in sorted(windows, key=lambda w: w.per):
        if window.smooth and window.count > count:
            rest, steps = window.per - per, window.count - count
            yield from ((count + n, per + n * rest // steps, window) for n in range(1, steps))
        yield window.count, window.per, window
        count, per = window.count, window.per


@dataclass(frozen=True, slots=True)
class Pending:
    """What `fair_order` needs to know of a message that waits."""

    key: str  # the notification, e.g. its primary key
    group: str  # groups take turns: e.g. the alert's event type or fingerprint
    reason: Reason
    severity: Severity
    due_at: datetime
    sent_to_alert: int  # messages that this recipient has already had about this alert


# A test first, since somebody waits for it; then news of a problem; then more of a known one; a digest last.
_RANKS = {Reason.TEST: 0, Reason.FIRST: 1, Reason.RAISED: 1, Reason.REOPENED: 1, Reason.ESCALATED: 1, Reason.DIGEST: 3}
_OTHER_RANK = 2


def fair_order(pending: Iterable[Pending], served: Sequence[str] = ()) -> tuple[Pending, ...]:
    """All of `pending` in the order in which one recipient should hear of it; the first gets the next slot.

    News goes before more of the same, and the worse before the less bad. Among equals the groups take turns:
    the one served least often goes next, then the one that was served longest ago; within a group the alert
    that has been told least, then what has been due longest. `served` names the groups of the messages sent
    within the longest window, oldest first.
    """
    turns = Counter(served)
    latest = {group: position for position, group in enumerate(served)}
    lines: defaultdict[str, deque[Pending]] = defaultdict(deque)
    for item in sorted(pending, key=_place):
        lines[item.group].append(item)

    def head(group: str) -> tuple[object, ...]:
        item = lines[group][0]
        return *_urgency(item), turns[group], latest.get(group, -1), *_place(item), group

    heads = [head(group) for group in lines]
    heapify(heads)
    order: list[Pending] = []
    while heads:
        group = str(heappop(heads)[-1])
        turns[group] += 1
        latest[group] = len(served) + len(order)
        order.append(lines[group].popleft())
        if lines[group]:
            heappush(heads, head(group))
    return tuple(order)


def _urgency(item: Pending) -> tuple[int, int]:
    return _RANKS.get(item.reason, _OTHER_RANK), -item.severity


def _place(item: Pending) -> tuple[int, int, int, datetime, str]:
    """The sort key within its group."""
    return *_urgency(item), item.sent_to_alert, item.due_at, item.key
