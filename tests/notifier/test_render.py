from __future__ import annotations

import html
import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from notifier.channels.gsm7 import compose, gsm7, segments, septets
from notifier.channels.text import POSSIBLE_REPEAT
from notifier.facts import Category, Frame, HeldBy, Link, Message, Money, Reason, Severity
from notifier.judge import builtin
from notifier.messages import phrases, sms_text
from notifier.messages.render import fold, render, render_test
from notifier.messages.telling import Children, Since, Story, Totals
from notifier.messages.wording import about, clock, shorten, span, sums


def at(hour: int, minute: int = 0, day: int = 24) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


EUR, USD = Money(1_842_000, "eur"), Money(31_000, "usd")
FIRST = Story(
    reason=Reason.FIRST,
    now=at(13, 2),
    tz="Europe/Berlin",
    id=118,
    severity=Severity.CRITICAL,
    category=Category.DATABASE,
    title="database unavailable",
    opened_at=at(13, 2),
    last_at=at(13, 2),
    count=1,
    event_type="invoice.paid",
    hint="Check the database first. Nothing is lost: the event is stored and retried.",
    livemode=True,
    exception="OperationalError",
    message="server closed the connection unexpectedly",
    frame=Frame("billing/handlers.py", 84, "billing.handlers", "record_payment"),
    traceback="Traceback (most recent call last):\n  <stdin>\nOperationalError: server closed the connection\n",
    attempt=1,
    max_attempts=12,
    will_retry=True,
    next_attempt_at=at(13, 32),
    gives_up_at=at(13, 5, day=25),
    totals=Totals(
        first_at=at(13, 2),
        events=1,
        types=1,
        newest_event="evt_1",
        customers=1,
        customer="cus_9s6XKzkNRiz8i3",
        object_id="in_1",
        at_risk=(Money(125_000, "eur"),),
    ),
    route="page",
    next_update_at=at(13, 7),
    links=(
        Link("Open alert 118", "https://shop.example/admin/swa_notifier/alert/118/change/"),
        Link("Open in Stripe", "https://dashboard.stripe.com/events/evt_1"),
    ),
    reference="ab12cd34",
)
STORM = replace(
    FIRST,
    reason=Reason.UPDATE,
    now=at(13, 11) + timedelta(seconds=20),
    last_at=at(13, 11),
    count=413,
    totals=replace(FIRST.totals, events=413, types=2, customers=260, customer="", object_id="", at_risk=(EUR, USD)),
    since=Since(412, (("invoice.paid", 380), ("charge.refunded", 32)), (EUR,)),
    told_at=at(13, 2),
    told_severity=Severity.CRITICAL,
    next_update_at=at(13, 21),
)
OVER = replace(
    STORM,
    reason=Reason.RESOLVED,
    now=at(13, 19),
    resolved_at=at(13, 19),
    resolved_how="by replay",
    since=Since(),
    totals=replace(STORM.totals, at_risk=(), recovered=(EUR, USD), recovered_by=(("retry", 409), ("replay", 4))),
    next_update_at=None,
)
DEAD = replace(
    FIRST,
    title="a bug in the handler (TypeError)",
    now=at(15),
    count=12,
    attempt=12,
    will_retry=False,
    next_attempt_at=None,
    gives_up_at=None,
    totals=replace(FIRST.totals, dead=1, dead_events=("evt_1",)),
)
LATE = replace(  # an alert of the site's own, about no event
    FIRST,
    source="payouts",
    event_type="",
    title="Payout is late",
    hint="Look at the bank's page.",
    exception="",
    message="Expected by noon",
    frame=None,
    traceback="",
    will_retry=False,
    totals=Totals(first_at=at(13, 2)),
    links=(),
)


# --- the words


def test_a_first_message_says_how_bad_what_how_much_and_what_to_do() -> None:
    message = render(FIRST)
    assert message.title == "invoice.paid cannot be processed: database unavailable"
    assert message.summary == (
        "EUR 1,250.00 at risk · live · customer cus_9s6XKzkNRiz8i3 · in_1 · 1 event",
        "OperationalError: server closed the connection unexpectedly in billing/handlers.py:84 record_payment",
    )
    assert message.action == (
        "Check the database first. Nothing is lost: the event is stored and retried. "
        "Attempt 2 of 12 at 14:32 CET, gives up Wed 25 Nov 14:05."
    )
    assert message.news == ""
    assert message.footer == (
        'Sent because: first failure (route "page")',
        "Next update 14:07 CET at the earliest",
        "Reference ab12cd34",
    )
    assert message.subject == "Alert 118: invoice.paid cannot be processed: database unavailable"
    assert message.links == FIRST.links


def test_an_update_counts_what_came_by_type_and_money() -> None:
    message = render(STORM)
    assert message.title == "invoice.paid and 1 other type cannot be processed: database unavailable"
    assert message.summary[0] == (
        "EUR 18,420.00 and USD 310.00 at risk · live · 260 customers · 413 events since 14:02 CET, last 14:11"
    )
    assert message.news == "412 more in 9 min: 380 in invoice.paid, 32 in charge.refunded; EUR 18,420.00 affected"
    assert "Nobody has acknowledged it" in message.footer
    assert "Open in Stripe" in message.text


def test_what_is_over_says_how_it_ended_and_what_it_recovered() -> None:
    message = render(OVER)
    assert message.title == "Resolved after 17 min: invoice.paid and 1 other type: database unavailable"
    assert message.news == (
        "All 413 events are processed (409 by retry, 4 replayed). EUR 18,420.00 and USD 310.00 recovered."
    )
    assert message.summary[0] == "live · 260 customers · 413 events from 14:02 CET to 14:11"
    assert (message.action, message.detail) == ("", "")
    assert message.text.startswith("Resolved · 413 events, EUR 18,420.00 and USD 310.00 recovered\n")


@pytest.mark.parametrize(
    ("story", "news"),
    [
        (
            replace(STORM, reason=Reason.RAISED, told_severity=Severity.WARNING, since=Since()),
            "Raised from warning to critical",
        ),
        (replace(STORM, reason=Reason.RAISED, told_severity=None, since=Since()), "Raised to critical"),
        (
            replace(STORM, reason=Reason.RAISED, told_severity=Severity.ERROR, since=Since(1, (("invoice.paid", 1),))),
            "Raised from error to critical; 1 more in 9 min",
        ),
        (
            replace(STORM, reason=Reason.REPEAT, now=at(15, 2), since=Since()),
            "Still open after 2 h, not acknowledged",
        ),
        (
            replace(
                STORM,
                reason=Reason.REPEAT,
                now=at(15, 2),
                since=Since(),
                acknowledged_by="anna",
                acknowledged_until=at(14, 30),
            ),
            "Still open after 2 h; its acknowledgement by anna ended 15:30 CET",
        ),
        (
            replace(STORM, reason=Reason.REOPENED, since=Since(3, (("invoice.paid", 3),), (EUR,))),
            "Failing again after it was reported as resolved; 3 more in 9 min; EUR 18,420.00 affected",
        ),
        (
            replace(STORM, since=Since(500, (("a.b", 300), ("c.d", 100), ("e.f", 50)))),
            "500 more in 9 min: 300 in a.b, 100 in c.d, 50 in e.f, 50 in others",
        ),
        (
            replace(STORM, held_by="quiet_hours", held_ref="night", now=at(5, day=25), since=Since(9, (("a.b", 9),))),
            '9 more in 15 h 58 min; held until now by the quiet hours "night"',
        ),
        (replace(STORM, reason=Reason.TEST), "This is a test: nothing is wrong"),
        (replace(LATE, reason=Reason.UPDATE, count=4, told_at=at(13, 1), since=Since(3)), "3 more in 1 min"),
        (  # closed by hand, with events left
            replace(
                OVER,
                resolved_how="by anna",
                totals=replace(OVER.totals, at_risk=(USD,), recovered=(EUR,), recovered_by=(("retry", 412),)),
            ),
            "It is over (by anna), but 1 of 413 events is not processed; 412 processed (412 by retry). "
            "EUR 18,420.00 recovered. USD 310.00 not recovered.",
        ),
        (
            replace(OVER, count=1, totals=replace(OVER.totals, events=1, types=1, recovered_by=(("retry", 1),))),
            "Its event is processed (1 by retry). EUR 18,420.00 and USD 310.00 recovered.",
        ),
        (
            replace(LATE, reason=Reason.RESOLVED, resolved_at=at(14), resolved_how="by itself: quiet"),
            "It is over: nothing more was heard of it.",
        ),
    ],
)
def test_the_news_says_what_changed(story: Story, news: str) -> None:
    assert render(story).news == news


@pytest.mark.parametrize(
    ("story", "action"),
    [
        (DEAD, "Gave up after attempt 12; nothing will retry it by itself: `manage.py replay evt_1`."),
        (
            replace(DEAD, totals=replace(DEAD.totals, events=9, dead=1)),
            "1 event gave up; nothing will retry it by itself: `manage.py replay evt_1`.",
        ),
        (
            replace(DEAD, totals=replace(DEAD.totals, events=9, dead=2, dead_events=("evt_1", "evt_2"))),
            "2 events gave up; nothing will retry them by themselves: `manage.py replay evt_1 evt_2`.",
        ),
        (
            replace(DEAD, totals=replace(DEAD.totals, events=9, dead=7)),
            "7 events gave up; nothing will retry them by themselves: `manage.py replay --type invoice.paid`.",
        ),
        (
            replace(DEAD, totals=replace(DEAD.totals, events=9, dead=7, types=2)),
            "7 events gave up; nothing will retry them by themselves: `manage.py replay --state dead`.",
        ),
        (
            replace(STORM, now=at(14)),
            "The newest failure: attempt 2 of 12 due since 14:32 CET, gives up Wed 25 Nov 14:05.",
        ),
        (replace(FIRST, gives_up_at=None, max_attempts=None), "Attempt 2 at 14:32 CET."),
    ],
)
def test_the_action_says_what_retries_it_and_what_does_not(story: Story, action: str) -> None:
    assert render(replace(story, hint="")).action == action
    assert render(story).action == f"{story.hint} {action}"


@pytest.mark.parametrize(
    ("story", "line"),
    [
        (replace(STORM, reason=Reason.FIRST), 'Sent because: first message about it (route "page")'),
        (replace(LATE, route=""), "Sent because: first time"),
        (
            replace(STORM, reason=Reason.RAISED, told_severity=Severity.WARNING),
            'Sent because: it got worse, from warning to critical (route "page")',
        ),
        (replace(STORM, reason=Reason.REPEAT), 'Sent because: reminder, still open (route "page")'),
        (replace(STORM, reason=Reason.REOPENED), 'Sent because: failing again (route "page")'),
        (OVER, 'Sent because: it is over (route "page")'),
        (
            replace(STORM, now=at(5, day=25), held_by="quiet_hours", held_ref="night", held_since=at(21, 48)),
            'Held for 7 h 12 min (since Tue 24 Nov 22:48 CET) by the quiet hours "night": 412 failures counted here',
        ),
        (
            replace(FIRST, count=3, now=at(13, 14), held_by="silence", held_ref="3", held_since=at(13, 2)),
            "Held for 12 min (since 14:02 CET) by silence 3: 3 failures counted here",
        ),
        (
            replace(LATE, now=at(13, 14), held_by="silence", held_ref="3", held_since=at(13, 2)),
            "Held for 12 min (since 14:02 CET) by silence 3: 1 time counted here",
        ),
        (replace(OVER, held_by="quiet_hours", held_ref="night"), 'Held by the quiet hours "night"'),
        (
            replace(FIRST, instead_of="oncall:+1 (could not be delivered)"),
            "Sent here instead of oncall:+1 (could not be delivered)",
        ),
        (
            replace(STORM, acknowledged_by="anna", acknowledged_until=at(20)),
            "Acknowledged by anna until 21:00 CET",
        ),
        (replace(FIRST, links=()), "Alert 118"),
    ],
)
def test_the_footer_says_why_it_came_and_what_was_held(story: Story, line: str) -> None:
    message = render(story)
    assert line in message.footer
    assert line in message.text
    assert html.escape(line) in message.html


def test_an_alert_about_no_event_has_no_words_of_events() -> None:
    for reason in (Reason.FIRST, Reason.UPDATE, Reason.REPEAT, Reason.RAISED, Reason.REOPENED):
        message = render(replace(LATE, reason=reason, count=3, told_at=at(13, 1), since=Since(2)))
        said = f"{message.text} {message.short} {message.subject}"
        assert message.title == "Payout is late"
        assert "3 times since 14:02 CET" in said
        for word in ("event", "Stripe", "attempt", "customer", "live", "test mode"):
            assert not re.search(rf"\b{word}", said), (word, said)


def test_what_recovered_while_it_is_open_is_counted() -> None:
    story = replace(STORM, totals=replace(STORM.totals, recovered=(USD,), recovered_by=(("retry", 13),)))
    message = render(story)
    assert "USD 310.00 recovered" in message.summary[0]
    assert "13 of 413 events processed since (13 by retry)" in message.summary


def test_children_that_are_held_are_named_and_counted() -> None:
    named = ((119, "payout.failed cannot be processed: code error"), (120, "charge.failed cannot be processed"))
    message = render(replace(STORM, children=Children(5, 57, named)))
    assert message.summary[-1] == (
        "Held while this is open: 5 alerts, 57 failures (119 payout.failed cannot be processed: code error, "
        "120 charge.failed cannot be processed and 3 more)"
    )


def test_test_mode_and_accounts_are_said() -> None:
    summary = render(replace(FIRST, livemode=False, account="acct_9")).summary[0]
    assert "· test mode · account acct_9 ·" in summary


def test_a_possible_repeat_says_so() -> None:
    message = render(replace(FIRST, possible_repeat=True))
    assert message.possible_repeat
    assert POSSIBLE_REPEAT in message.text
    assert POSSIBLE_REPEAT in message.html


def test_a_note_is_in_every_form() -> None:
    note = "This is the last SMS today (budget 20). Further pages go to #stripe-alerts."
    for message in (render(STORM, note=note), fold([FIRST, STORM], note=note)):
        assert note in message.text
        assert note in message.html
        assert note in message.short
        assert segments(compose(message.short, message.reference)) <= 2


# --- times and money


@pytest.mark.parametrize(
    ("when", "now", "tz", "words"),
    [
        (at(13, 32), at(13), "Europe/Berlin", "14:32 CET"),
        (datetime(2026, 7, 1, 12, 32, tzinfo=UTC), datetime(2026, 7, 1, 9, tzinfo=UTC), "Europe/Berlin", "14:32 CEST"),
        (at(23, 30), at(22), "Europe/Berlin", "Wed 25 Nov 00:30 CET"),  # tomorrow there
        (at(23, 30, day=23), at(5), "Europe/Berlin", "00:30 CET"),  # today there, yesterday in UTC
        (datetime(2027, 1, 2, 8, tzinfo=UTC), at(5), "UTC", "Sat 2 Jan 2027 08:00 UTC"),
        (at(13, 32), at(13), "America/Sao_Paulo", "10:32 UTC-03"),  # a zone without an abbreviation
        (at(13, 32), at(13), "Asia/Kathmandu", "19:17 UTC+0545"),
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), at(9, day=25), "Europe/Berlin", "Sun 25 Oct 02:30 CEST"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), at(9, day=25), "Europe/Berlin", "Sun 25 Oct 02:30 CET"),
    ],
)
def test_times_are_local_with_their_zone_and_a_date_that_is_not_today(
    when: datetime, now: datetime, tz: str, words: str
) -> None:
    assert clock(when, now, tz) == words


@pytest.mark.parametrize(
    ("start", "end", "now", "words"),
    [
        (at(13), at(14), at(15), ("14:00 CET", "15:00")),
        (at(13), at(14), at(15, day=25), ("Tue 24 Nov 14:00 CET", "15:00")),
        (at(13), at(14, day=25), at(15, day=25), ("Tue 24 Nov 14:00 CET", "today 15:00")),
        (at(13), at(14, day=25), at(15), ("14:00 CET", "Wed 25 Nov 15:00")),
        (
            datetime(2026, 10, 24, 12, tzinfo=UTC),
            datetime(2026, 10, 25, 12, tzinfo=UTC),
            datetime(2026, 10, 25, 13, tzinfo=UTC),
            ("Sat 24 Oct 14:00 CEST", "today 13:00 CET"),
        ),
    ],
)
def test_two_times_share_what_is_the_same(
    start: datetime, end: datetime, now: datetime, words: tuple[str, str]
) -> None:
    assert span(start, end, now, "Europe/Berlin") == words


def test_durations_leave_out_seconds_beside_minutes() -> None:
    spans = [timedelta(seconds=45), timedelta(minutes=9, seconds=59), timedelta(hours=2, minutes=5, seconds=40)]
    assert [about(span) for span in spans] == ["45 s", "9 min", "2 h 5 min"]


def test_many_currencies_are_counted_and_none_is_added_to_another() -> None:
    monies = [Money(100, "usd"), Money(900, "eur"), Money(200, "gbp"), Money(0, "chf"), Money(5, "sek")]
    assert sums(monies, 3) == "EUR 9.00, GBP 2.00, SEK 0.05 and 1 more currency"
    assert sums([Money(1_000_000, "jpy"), Money(900_000, "eur")]) == "EUR 9,000.00 and JPY 1,000,000"
    assert sums([Money(0, "eur")]) == ""


@given(st.text(max_size=400), st.integers(25, 300))
def test_a_shortened_text_is_one_line_and_says_what_is_missing(text: str, limit: int) -> None:
    line = shorten(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    if found := re.search(r"… \(\+([\d,]+) characters\)$", line):
        assert int(found[1].replace(",", "")) + found.start() == len(" ".join(text.split()))


# --- SMS


@pytest.mark.parametrize(
    ("story", "text"),
    [
        (
            FIRST,
            "CRIT invoice.paid: database unavailable. 1 event, EUR 1,250.00 at risk. Alert 118. Next: retry 14:32.",
        ),
        (
            replace(STORM, totals=replace(STORM.totals, types=1, at_risk=(EUR,)), since=Since(), told_at=None),
            "CRIT invoice.paid: database unavailable. 413 events, EUR 18,420.00 at risk since 14:02 CET. Alert 118. "
            "Next: retry 14:32.",
        ),
        (
            STORM,  # 151 septets beside its reference do not hold the zone too
            "CRIT invoice.paid +1 type: database unavailable. 412 more in 9 min, 413 events, EUR 18,420.00 and "
            "USD 310.00 at risk since 14:02 CET. Alert 118. Next: retry 14:32.",
        ),
        (
            DEAD,
            "CRIT invoice.paid: a bug in the handler (TypeError). 1 event, failed 12 times, EUR 1,250.00 at risk "
            "since 14:02 CET. Alert 118. Gave up: replay evt_1.",
        ),
        (
            replace(OVER, totals=replace(OVER.totals, types=1)),
            "OK invoice.paid: database unavailable. Resolved after 17 min: all 413 events processed, EUR 18,420.00 "
            "and USD 310.00 recovered. Alert 118.",
        ),
        (LATE, "CRIT Payout is late. Once. Alert 118."),
        (
            replace(LATE, reason=Reason.RESOLVED, resolved_at=at(14), totals=Totals(first_at=at(13))),
            "OK Payout is late. Resolved after 1 h. Alert 118.",
        ),
        (
            replace(FIRST, reason=Reason.RAISED, told_severity=Severity.WARNING),
            "CRIT (was warning) invoice.paid: database unavailable. 1 event, EUR 1,250.00 at risk. Alert 118. "
            "Next: retry 14:32.",
        ),
        (
            replace(FIRST, reason=Reason.REPEAT, now=at(15, 2)),
            "CRIT invoice.paid: database unavailable. Still open after 2 h, not acknowledged. 1 event, EUR 1,250.00 "
            "at risk. Alert 118. Retry due since 14:32.",
        ),
    ],
)
def test_an_sms_says_the_most_important_first(story: Story, text: str) -> None:
    assert render(story).short == text


def test_an_sms_gives_up_the_zone_before_a_second_segment() -> None:
    story = replace(STORM, totals=replace(STORM.totals, types=1))
    text = render(story).short
    assert "since 14:02." in text
    assert segments(compose(text, story.reference)) == 1


def test_several_alerts_fold_into_one_sms() -> None:
    payout = replace(DEAD, id=119, event_type="payout.failed", title="code error", severity=Severity.ERROR, count=2)
    stories = [
        replace(payout, id=120, count=1),
        replace(STORM, totals=replace(STORM.totals, types=1)),
        payout,
        replace(payout, id=121, count=1, event_type="customer.subscription.updated"),
    ]
    message = fold(stories, at_risk=[EUR])
    assert message.short == (
        "4 alerts, worst CRIT: invoice.paid database unavailable (413), payout.failed code error (2), +2. "
        "EUR 18,420.00 at risk. Alerts 118-121."
    )
    assert segments(compose(message.short, message.reference)) == 1
    assert (message.reason, message.severity) == (Reason.UPDATE, Severity.CRITICAL)
    assert message.title == "4 alerts"
    assert message.summary[:2] == (
        "EUR 18,420.00 at risk",
        "Alert 118 critical: invoice.paid: database unavailable (413 events, EUR 18,420.00 and USD 310.00 at risk)",
    )
    assert all(f"Alert {story.id}" in message.text for story in stories)


def test_what_is_over_is_folded_last_and_said() -> None:
    message = fold([OVER, replace(FIRST, id=7)])
    assert message.short.startswith("2 alerts, 1 of them resolved, worst CRIT: invoice.paid database unavailable (1)")
    assert message.title == "2 alerts, 1 of them resolved"
    everything = fold([OVER, replace(OVER, id=119)])
    assert everything.short.startswith("2 alerts resolved: invoice.paid")
    assert everything.reason is Reason.RESOLVED


def test_folding_nothing_is_an_error_in_words() -> None:
    with pytest.raises(ValueError, match="nothing to fold"):
        fold([])


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([118, 119, 120, 121], "118-121"),
        ([5], "5"),
        ([9, 1, 3, 2, 3], "1-3, 9"),
        ([1, 3, 5, 7, 9, 11, 12], "1, 3, 5, 7, +3"),
    ],
)
def test_alert_numbers_are_ranges(ids: list[int], words: str) -> None:
    assert sms_text.numbers(ids) == words


def test_a_test_message_says_that_nothing_is_wrong() -> None:
    message = render_test("slack:#payments", at(13), "Europe/Berlin", reference="ab12cd34")
    assert message.title == "Test: alerts of Stripe's webhooks arrive here"
    assert "Sent 14:00 CET to slack:#payments" in message.text
    assert "Nothing is wrong" in message.short
    assert message.reference in message.text


# --- bounds

# A story has forty fields: shrinking a failure takes minutes, and its message says as much without.
BOUNDS = settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])
LONG = st.builds(
    lambda unit, number: unit * (number // len(unit)),
    st.sampled_from(["x", "x ", "é", "\U0001f4b6", "{", "\n", "<b>&", "€", "\x00", "漢"]),
    st.sampled_from([0, 1, 40, 255, 5000]),
)
NUMBER = st.sampled_from([0, 1, 2, 413, 2**31 - 1])
TIME = st.sampled_from([at(13), at(13, 2), at(13, day=25), at(0) - timedelta(days=3000), at(0) + timedelta(days=3000)])
CODES = [f"{first}{second}x" for first in "abcdefghijkl" for second in "abcdefghijkl"]
MONIES = st.sampled_from(
    [
        (),
        (EUR,),
        (EUR, USD),
        (Money(2**63 - 1, "eur"), Money(-(2**63), "jpy"), Money(2**62, "kwd")),
        tuple(Money(2**60 + number, code) for number, code in enumerate(CODES)),
    ]
)
SHORT_NAMES = st.lists(st.tuples(LONG, NUMBER), max_size=3).map(tuple)
TOTALS = st.builds(
    Totals,
    first_at=st.none() | TIME,
    events=NUMBER,
    types=NUMBER,
    newest_event=LONG,
    customers=NUMBER,
    customer=LONG,
    object_id=LONG,
    at_risk=MONIES,
    recovered=MONIES,
    recovered_by=SHORT_NAMES,
    dead=NUMBER,
    dead_events=st.lists(LONG, max_size=3).map(tuple),
)
STORIES = st.builds(
    Story,
    reason=st.sampled_from([reason for reason in Reason if reason is not Reason.DIGEST]),
    now=TIME,
    tz=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo", "Australia/Lord_Howe"]),
    id=st.sampled_from([1, 118, 119, 2**63 - 1]),
    severity=st.sampled_from(Severity),
    category=st.sampled_from(Category),
    title=LONG,
    opened_at=TIME,
    last_at=TIME,
    count=NUMBER,
    source=st.sampled_from(["webhook", "payouts"]),
    event_type=LONG,
    hint=LONG,
    livemode=st.booleans(),
    account=LONG,
    exception=LONG,
    message=LONG,
    frame=st.none() | st.builds(Frame, LONG, NUMBER, LONG, LONG),
    traceback=LONG,
    attempt=NUMBER,
    max_attempts=st.none() | NUMBER,
    will_retry=st.booleans(),
    next_attempt_at=st.none() | TIME,
    gives_up_at=st.none() | TIME,
    acknowledged_by=LONG,
    acknowledged_until=st.none() | TIME,
    silenced_until=st.none() | TIME,
    resolved_at=st.none() | TIME,
    resolved_how=LONG,
    totals=TOTALS,
    children=st.builds(Children, NUMBER, NUMBER, st.lists(st.tuples(NUMBER, LONG), max_size=3).map(tuple)),
    route=LONG,
    since=st.builds(Since, NUMBER, SHORT_NAMES, MONIES),
    told_at=st.none() | TIME,
    told_severity=st.none() | st.sampled_from(Severity),
    answers=st.lists(LONG, max_size=5).map(tuple),
    held_by=st.sampled_from(["", *HeldBy]),
    held_ref=LONG,
    held_since=st.none() | TIME,
    instead_of=LONG,
    next_update_at=st.none() | TIME,
    reference=st.just("ab12cd34"),
    possible_repeat=st.booleans(),
)


def assert_bounded(message: Message) -> None:
    assert len(message.title) <= 400
    assert len(message.subject) <= 1000
    assert len(message.action) <= 1200
    assert len(message.news) <= 600
    assert all(len(line) <= 600 for line in (*message.summary, *message.footer))
    assert len(message.detail) <= 6100
    assert len(message.text) <= 20_000
    assert len(message.html) <= 60_000
    for name in ("title", "subject", "action", "news", "short"):
        assert "\n" not in getattr(message, name)


def assert_fits_in_two_segments(message: Message) -> None:
    sent = ("Repeat? " if message.possible_repeat else "") + message.short
    assert septets(message.short) <= 306
    assert gsm7(message.short) == message.short
    assert segments(compose(sent, message.reference)) <= 2
    assert compose(sent, message.reference) == f"{sent} {message.reference}"  # nothing had to be cut


@given(st.data())
@settings(BOUNDS, max_examples=100)
def test_every_text_is_bounded_whatever_the_alert_holds(data: st.DataObject) -> None:
    story = data.draw(STORIES)
    message = render(story)
    assert_bounded(message)
    assert_fits_in_two_segments(message)
    assert f"Alert {story.id}." in message.short
    assert message.text.strip()


def test_an_sms_has_its_alerts_number_whatever_sums_stand_before_it() -> None:
    sums = tuple(Money(2**60 + number, code) for number, code in enumerate(CODES))
    totals = replace(OVER.totals, events=2**31 - 1, recovered=sums)
    over = replace(OVER, id=2**63 - 1, livemode=False, opened_at=at(0) - timedelta(days=3000), totals=totals)
    over = replace(over, title="x" * 300, possible_repeat=True)
    message = render(over)
    assert message.short.endswith(f"Alert {over.id}.")
    assert_fits_in_two_segments(message)


@given(st.data())
@settings(BOUNDS, max_examples=25)
def test_folded_texts_are_bounded_too(data: st.DataObject) -> None:
    stories = data.draw(st.lists(STORIES, min_size=2, max_size=5))
    message = fold(stories)
    assert_bounded(message)
    assert_fits_in_two_segments(message)
    assert all(str(story.id) in message.text for story in stories)


def test_a_hundred_folded_alerts_are_counted_past_the_twentieth() -> None:
    message = fold([replace(FIRST, id=number) for number in range(1, 101)])
    assert message.summary[-1] == "and 80 more: alerts 21-100"
    assert_fits_in_two_segments(message)
    assert message.short.startswith("100 alerts, worst CRIT: ")
    assert "Alerts 1-100." in message.short


# --- HTML


class Page(HTMLParser):
    """What an HTML page shows, and whether anything in it is not allowed in a mail."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(page)
        self.shown = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if not self.tags or self.tags[-1] != "style":
            self.texts.append(data)


MESSAGES = {
    "first": render(FIRST),
    "storm": render(STORM),
    "over": render(OVER),
    "dead": render(DEAD),
    "late": render(LATE),
    "fold": fold([FIRST, STORM, OVER]),
    "test": render_test("slack:#payments", at(13), "UTC"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_the_html_says_what_the_plain_text_says(name: str) -> None:
    message = MESSAGES[name]
    page = Page(message.html)
    for said in (message.title, message.news, message.action, *message.footer, *(link.text for link in message.links)):
        assert " ".join(said.split()) in page.shown
        assert said in message.text
    hrefs = {value for attribute, value in page.attributes if attribute == "href"}
    assert hrefs == {link.url for link in message.links}
    if message.detail:
        assert "details" in page.tags
        assert " ".join(message.detail.split()) in page.shown


@pytest.mark.parametrize("story", [FIRST, STORM, OVER, DEAD, LATE], ids=["first", "storm", "over", "dead", "late"])
def test_every_fact_is_in_the_table_and_in_the_text(story: Story) -> None:
    message = render(story)
    page = Page(message.html)
    for fact in phrases.facts(story):
        assert fact.words in message.text
        assert fact.value in page.shown
    assert phrases.error(story) in message.text
    assert phrases.error(story) in page.shown


@pytest.mark.parametrize("name", MESSAGES)
def test_the_html_needs_no_script_no_picture_and_nothing_from_elsewhere(name: str) -> None:
    page = Page(MESSAGES[name].html)
    assert not {"script", "img", "iframe", "link", "form", "object"} & set(page.tags)
    assert not [attribute for attribute, _ in page.attributes if attribute.startswith("on") or attribute == "src"]
    assert "url(" not in MESSAGES[name].html
    assert "@import" not in MESSAGES[name].html


def test_markup_in_any_text_is_shown_and_not_obeyed() -> None:
    evil = "<script>alert(1)</script>\"'<b>"
    fixed = ("tz", "source", "held_by")
    names = [field.name for field in fields(Story) if field.type == "str" and field.name not in fixed]
    texts: dict[str, Any] = dict.fromkeys(names, evil)
    story = replace(STORM, **texts, frame=Frame(evil, 1, evil, evil))
    story = replace(story, totals=replace(STORM.totals, customers=1, customer=evil, object_id=evil))
    plain_page, page = Page(render(STORM).html), Page(render(story).html)
    assert set(page.tags) == set(plain_page.tags)
    assert evil in page.shown


@pytest.mark.parametrize("events", [1, 9])
@pytest.mark.parametrize("dead", [0, 1])
@pytest.mark.parametrize("will_retry", [True, False])
def test_no_message_promises_a_retry_and_says_that_it_gave_up(events: int, dead: int, will_retry: bool) -> None:
    totals = replace(DEAD.totals, events=events, dead=dead)
    action = render(replace(DEAD, hint=f"Check it. {builtin.RETRIED}", totals=totals, will_retry=will_retry)).action
    assert action.startswith("Check it.")
    assert (builtin.RETRIED in action) is (will_retry and not dead)
    assert ("nothing will retry" in action) is bool(dead)
