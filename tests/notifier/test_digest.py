from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.facts import EventCounts, Money, Reason, Result, Severity
from notifier.judge.calendar import Every, Period, period_before
from notifier.judge.policy import DigestPlan, Policy
from notifier.messages import bars, digest_page
from notifier.messages.digest import collect, compose, render_digest, section_of
from notifier.messages.digest_data import OPEN, DigestData, Held, Line, Section, Trend, Undelivered
from notifier.messages.trend import trend
from notifier.models import Alert, Attempt, Digest, Ignored, Notification, Occurrence, Silence
from tests.notifier.rows import MINUTE, NOON, a_notification, a_target, an_alert, failures, failures_in_bulk, scanned

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN = "Europe/Berlin"
PLAN = DigestPlan("daily", ("team",), time(8), "day", BERLIN)
START, END = datetime(2026, 11, 21, 7, tzinfo=UTC), datetime(2026, 11, 22, 7, tzinfo=UTC)  # 21 Nov, 8:00 in Berlin
PERIOD = Period(START, END, "21 Nov")
NOW = END + MINUTE
COUNTS = EventCounts(received=12_408, first_time=12_330, recovered=74, dead=2, open=2)
TEAM = "team:team@example.com"

needs_db = pytest.mark.django_db


def collected(period: Period = PERIOD, plan: DigestPlan = PLAN, **options: Any) -> DigestData:
    return collect(plan, a_target(TEAM).pk, period, NOW, **options)


def paid(event: str, **values: object) -> dict[str, object]:
    return {"event_id": event, "amount": 1000, "currency": "eur", "occurred_at": NOON} | values


def over(how: str = "retry", at: datetime = NOON + HOUR) -> dict[str, object]:
    return {"recovered_at": at, "recovered_how": how}


# --- which section


@pytest.mark.parametrize(
    ("alert", "flags", "section"),
    [
        ({"opened_at": START}, {}, Section.NEW),
        ({"opened_at": START - MINUTE}, {}, Section.STILL_OPEN),
        ({"opened_at": START}, {"dead": True}, Section.DEAD),
        ({"opened_at": START}, {"held": True, "untold": True}, Section.HELD),
        ({"opened_at": START}, {"held": True}, Section.NEW),  # others have been told
        ({"opened_at": START}, {"untold": True}, Section.NEW),  # nobody holds it: it is about to be told
        ({"opened_at": START}, {"dead": True, "held": True, "untold": True}, Section.DEAD),
        ({"resolved_at": NOON, "resolved_how": "by retry"}, {}, Section.RECOVERED),
        ({"resolved_at": NOON, "resolved_how": "by itself: quiet"}, {}, Section.RECOVERED),
        ({"resolved_at": NOON, "resolved_how": "by replay"}, {}, Section.REPLAYED),
        ({"resolved_at": NOON, "resolved_how": "by anna"}, {}, Section.CLOSED),
        ({"resolved_at": NOON, "resolved_how": "by replay@example.com"}, {}, Section.CLOSED),
        ({"resolved_at": NOON, "resolved_how": "forgotten after a long time"}, {"dead": True}, Section.CLOSED),
        ({"resolved_at": NOON, "resolved_how": "by retry"}, {"untold": True, "held": True}, Section.UNTOLD),
    ],
)
def test_an_alert_belongs_to_one_section_by_its_state(
    alert: dict[str, Any], flags: dict[str, bool], section: Section
) -> None:
    assert section_of(Alert(**alert), START, **{"dead": False, "untold": False, "held": False} | flags) is section


STATES = st.fixed_dictionaries(
    {
        "opened": st.integers(-72, 23),
        "failed": st.lists(st.integers(-48, 30), max_size=4),  # hours from the period's start; it has 24
        "resolved": st.none() | st.integers(-40, 30),
        "how": st.sampled_from(["by retry", "by replay", "by anna", "by itself: quiet"]),
        "dead": st.booleans(),
        "notified": st.sampled_from(["nobody", "told", "held", "both"]),
    }
)


@needs_db
@given(st.lists(STATES, max_size=8))
@settings(max_examples=30)
def test_every_alert_with_a_failure_in_the_period_has_exactly_one_line(states: list[dict[str, Any]]) -> None:
    Alert.objects.all().delete()
    expected = set()
    for state in states:
        resolved = START + state["resolved"] * HOUR if state["resolved"] is not None else None
        alert = an_alert(
            opened_at=START + state["opened"] * HOUR,
            resolved_at=resolved,
            resolved_how=state["how"] if resolved else "",
        )
        recovery = over(at=resolved) if resolved else {}
        times = [START + hour * HOUR for hour in state["failed"]]
        each = recovery | {"dead": state["dead"]}
        failures(alert, *[paid(f"evt_{alert.pk}_{n}", occurred_at=at, **each) for n, at in enumerate(times)])
        if state["notified"] in ("told", "both"):
            a_notification(alert, told_at=NOON, told_seq=alert.count)
        if state["notified"] in ("held", "both"):
            a_notification(alert, "oncall:+1", held_by="silence", held_ref="1", held_since=NOON)
        alive = resolved is None or resolved >= START
        if any(START <= at < END for at in times) or alive:
            expected.add(alert.pk)
    data = collected()
    assert sorted(line.id for line in data.lines) == sorted(expected)
    assert sum(line.count for line in data.lines) == data.failures
    assert data.failures == Occurrence.objects.filter(occurred_at__gte=START, occurred_at__lt=END).count()
    message = render_digest(data)
    for line in data.lines:
        assert line.section in Section
        assert len(re.findall(rf"^- {line.id} ", message.text, re.MULTILINE)) == 1


# --- what is counted


@needs_db
def test_failures_are_those_of_the_period_beside_all_of_the_alert() -> None:
    alert = an_alert(opened_at=START - DAY)
    for at in (START - MINUTE, START, END - MINUTE, END):
        failures(alert, paid("evt_1", occurred_at=at))
    (line,) = collected().lines
    assert (line.count, line.total) == (2, 4)


@needs_db
def test_an_event_that_failed_in_two_alerts_counts_in_the_one_in_which_it_failed_last() -> None:
    first, second = an_alert(), an_alert(title="a bug")
    failures(first, paid("evt_1"), paid("evt_1"), paid("evt_2"))
    failures(second, paid("evt_1"), paid("evt_3", amount=5, currency="usd"))
    data = collected()
    assert data.at_risk == (Money(2000, "eur"), Money(5, "usd"))
    by_id = {line.id: line for line in data.lines}
    assert by_id[first.pk].at_risk == (Money(1000, "eur"),)
    assert by_id[second.pk].at_risk == (Money(1000, "eur"), Money(5, "usd"))


@needs_db
def test_money_is_recovered_in_the_period_in_which_it_was() -> None:
    alert = an_alert(opened_at=START - DAY)
    failures(
        alert,
        paid("evt_1", occurred_at=START - DAY, **over(at=START - MINUTE)),
        paid("evt_2", occurred_at=START - DAY, **over(at=START)),
        paid("evt_3", **over(at=END - MINUTE)),
        paid("evt_4", **over(at=END)),
        paid("evt_5"),
    )
    data = collected()
    assert data.recovered == (Money(2000, "eur"),)
    assert data.at_risk == (Money(1000, "eur"),)


@needs_db
def test_what_a_closed_alert_leaves_unprocessed_is_said_but_no_longer_at_risk() -> None:
    alert = an_alert(resolved_at=NOON + HOUR, resolved_how="by anna")
    failures(alert, paid("evt_1"), paid("evt_2", **over()))
    data = collected()
    (line,) = data.lines
    assert (line.section, line.waiting, line.at_risk) == (Section.CLOSED, 1, (Money(1000, "eur"),))
    assert data.at_risk == ()
    text = render_digest(data).text
    assert "EUR 10.00 not recovered" in text
    assert "1 event not processed" in text
    assert "by anna" in text


@needs_db
@pytest.mark.parametrize(("comment", "said"), [("known at the bank", "known at the bank, by anna"), ("", "by anna")])
def test_what_is_ignored_is_counted_and_says_by_whom(comment: str, said: str) -> None:
    row = Ignored.objects.create(fingerprint="f", title="t", author="anna", comment=comment, created_at=START)
    failures(alert := an_alert(), paid("evt_1"))
    a_notification(alert, held_by="ignored", held_ref=f"{row.pk}", held_since=NOON)
    assert collected().held == (Held(f"ignored {row.pk}", alerts=1, failures=1, over=0, since=NOON, comment=said),)


@needs_db
def test_what_each_guard_held_is_counted_once_an_alert() -> None:
    silence = Silence.objects.create(
        matcher={}, starts_at=START, ends_at=END, author="anna", comment="deploy of billing", created_at=START
    )
    by = {"held_by": "silence", "held_ref": str(silence.pk)}
    one, two, three = an_alert(), an_alert(resolved_at=NOON + HOUR, resolved_how="by retry"), an_alert()
    for alert in (one, two, three):
        failures(alert, *[paid(f"evt_{alert.pk}_{n}", **(over() if alert is two else {})) for n in range(3)])
    a_notification(one, **by, held_since=NOON, told_seq=1, told_at=START)
    a_notification(one, "oncall:+1", **by, held_since=NOON + MINUTE)
    a_notification(two, **by, held_since=NOON + MINUTE)
    a_notification(three, held_by="quiet_hours", held_ref="night", held_since=NOON)
    data = collected()
    assert data.held == (
        Held(f"silence {silence.pk}", alerts=2, failures=6, over=1, since=NOON, comment="deploy of billing, by anna"),
        Held("quiet hours night", alerts=1, failures=3, over=0, since=NOON),
    )
    sections = {line.id: line.section for line in data.lines}
    assert sections == {one.pk: Section.NEW, two.pk: Section.UNTOLD, three.pk: Section.HELD}
    assert (
        f"- silence {silence.pk} (deploy of billing, by anna): 2 alerts, 6 failures not told · "
        "1 over before anybody was told · since Sat 21 Nov 13:00 CET"
    ) in render_digest(data).text


@needs_db
def test_what_could_not_be_delivered_is_listed_by_channel_and_reason() -> None:
    alert = an_alert()
    failures(alert, paid("evt_1"))
    a_notification(alert, last_error="http_500: Slack is busy or failing", told_at=NOON)
    oncall = a_target("oncall:+1")
    for number, at in enumerate((START - MINUTE, START, END - MINUTE, END)):
        Attempt.objects.create(
            target=oncall,
            token="t",
            reference=f"ref {number}",
            reason=Reason.FIRST,
            text="",
            result=Result.REJECTED,
            code="21610",
            started_at=at,
        )
    Attempt.objects.create(
        target=oncall, token="t", reference="r", reason=Reason.FIRST, text="", result=Result.DELIVERED, started_at=NOON
    )
    dead = a_target("pager:C1")
    dead.dead_since, dead.dead_detail = NOON, "token_revoked"
    dead.save()
    assert collected().undelivered == (
        Undelivered("pager", "set aside: token_revoked"),
        Undelivered("oncall", "refused: 21610", "message", 2),
        Undelivered("slack", "http_500: Slack is busy or failing", "alert", 1),
    )


# --- what it covers


def a_digest(days_ago: int, **values: Any) -> Digest:
    known = {"name": "daily", "target": a_target(TEAM), "starts_at": START - (days_ago + 1) * DAY}
    return Digest.objects.create(**known | {"ends_at": START - days_ago * DAY} | values)


@needs_db
@pytest.mark.parametrize(
    ("rows", "days"),
    [
        ([], 1),  # the first one
        ([{"days_ago": 0, "sent_at": START}], 1),
        ([{"days_ago": 2, "sent_at": START}], 3),
        ([{"days_ago": 2, "sent_at": START}, {"days_ago": 0, "outcome": "rejected: 550"}], 3),
        ([{"days_ago": 1, "sent_at": START}, {"days_ago": 0, "due_at": END, "outcome": "retry: 451"}], 2),
        ([{"days_ago": 2, "sent_at": START}, {"days_ago": 0, "outcome": "nothing happened"}], 1),
        ([{"days_ago": 4, "outcome": "set up"}], 5),
        ([{"days_ago": 2, "sent_at": START}, {"days_ago": 0, "sent_at": START, "name": "weekly"}], 3),
    ],
)
def test_a_digest_covers_all_since_the_last_one_that_went_out(rows: list[dict[str, Any]], days: int) -> None:
    for row in rows:
        a_digest(**row)
    alert = an_alert(opened_at=START - (days - 1) * DAY, resolved_at=START - (days - 1) * DAY + HOUR)
    failures(alert, paid("evt_1", occurred_at=alert.opened_at, **over(at=alert.opened_at)))
    data = collected()
    assert (data.end - data.start).days == days
    assert [line.id for line in data.lines] == [alert.pk]
    message = render_digest(data)
    if days == 1:
        assert message.subject.startswith("Stripe webhooks on 21 Nov: ")
        assert "Covers" not in message.text
    else:
        first = START - (days - 1) * DAY
        assert message.subject.startswith(f"Stripe webhooks since {first.day} Nov: ")
        since = f"from {first:%a} {first.day} Nov 08:00 CET to Sat 21 Nov 08:00"
        expected = f"Covers {days} days, since no digest went out {since}"
        assert expected in message.text
        assert expected in message.html


@needs_db
def test_the_digests_of_another_target_do_not_count() -> None:
    a_digest(2, sent_at=START)
    a_digest(0, sent_at=START, target=a_target("team:other@example.com"))
    assert collected().start == START - 2 * DAY


@pytest.mark.parametrize(
    ("every", "now", "title"),
    [
        ("day", NOW, "Stripe webhooks on 21 Nov"),
        ("week", NOW, "Stripe webhooks, 9\N{EN DASH}15 Nov"),
        ("month", NOW, "Stripe webhooks in October"),
        ("hour", NOW, "Stripe webhooks, 22 Nov 07:00\N{EN DASH}08:00 CET"),
    ],
)
@needs_db
def test_the_title_names_the_period(every: Every, now: datetime, title: str) -> None:
    plan = replace(PLAN, every=every)
    assert collected(period_before(now, plan.at, plan.tz, every), plan).title == title


# --- compose


POLICY = Policy(channels={}, rules=(), routes=(), digests=(PLAN, replace(PLAN, name="terse", when_quiet=False)))


@needs_db
def test_a_row_becomes_a_message() -> None:
    failures(an_alert(), paid("evt_1", amount=9000))
    asked = []

    def count_events(start: datetime, end: datetime) -> EventCounts:
        asked.append((start, end))
        return COUNTS

    row = a_digest(-1)
    message = compose(
        row,
        POLICY,
        NOW,
        count_events=count_events,
        site_url="https://shop.example",
        reference="ab12",
        possible_repeat=True,
    )
    assert message is not None
    assert message.subject == "Stripe webhooks on 21 Nov: 1 alert, 1 still open, EUR 90.00 at risk"
    assert asked == [(START, END)]
    assert message.reason is Reason.DIGEST
    assert (message.reference, message.possible_repeat) == ("ab12", True)
    assert "Possible repeat" in message.text
    assert "Possible repeat" in message.html
    assert "https://shop.example/alerts/" in message.text


@needs_db
def test_a_quiet_period_is_one_line_or_nothing() -> None:
    quiet = EventCounts(12_408, 12_408, 0, 0, 0)
    message = compose(a_digest(-1), POLICY, NOW, count_events=lambda *_: quiet)
    assert message is not None
    assert message.title == message.subject == message.short == "Stripe webhooks on 21 Nov: all quiet, 12,408 events"
    assert message.summary == ()
    assert compose(a_digest(-1, name="terse"), POLICY, NOW, count_events=lambda *_: quiet) is None


@needs_db
@pytest.mark.parametrize("what", ["open", "dead event", "dead target"])
def test_it_is_not_quiet_while_something_waits_for_somebody(what: str) -> None:
    counts = EventCounts(10, 10, 0, 0, 0)
    if what == "open":
        an_alert(opened_at=START - 9 * DAY)
    elif what == "dead event":
        counts = replace(counts, dead=1)
    else:
        target = a_target("oncall:+1")
        target.dead_since = NOON
        target.save()
    assert compose(a_digest(-1, name="terse"), POLICY, NOW, count_events=lambda *_: counts) is not None


@needs_db
def test_a_digest_by_hand_covers_what_its_row_says() -> None:
    row = Digest.objects.create(
        name="daily", target=a_target(TEAM), starts_at=NOON - 2 * HOUR, ends_at=NOON + 2 * HOUR, due_at=NOON
    )
    failures(an_alert(), paid("evt_1", occurred_at=NOON), paid("evt_2", occurred_at=NOON + 3 * HOUR))
    message = compose(row, POLICY, NOON + 2 * HOUR)
    assert message is not None
    assert message.title == "Stripe webhooks since 21 Nov: 1 alert, 1 still open, EUR 20.00 at risk"
    assert "1 failure (2 in all)" in message.text


@needs_db
def test_a_digest_that_is_no_longer_planned_says_nothing() -> None:
    assert compose(a_digest(-1, name="gone"), POLICY, NOW) is None


# --- the words


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (
            COUNTS,
            "12,408 events, 99.3 % handled the first time, 74 recovered, 2 given up, 2 not handled yet",
        ),
        (EventCounts(100_000, 99_999, 1, 0, 0), "100,000 events, 99.9 % handled the first time, 1 recovered"),
        (EventCounts(1, 1, 0, 0, 0), "1 event, all handled the first time"),
        (EventCounts(0, 0, 0, 0, 0), "No events were received"),
        (None, ""),
    ],
)
def test_the_events_in_one_line(counts: EventCounts | None, words: str) -> None:
    assert digest_page.events(counts) == words


def a_line(number: int, section: Section = Section.NEW, **values: Any) -> Line:
    known: dict[str, Any] = {"severity": Severity.ERROR, "what": f"invoice.paid: bug {number}", "count": 1, "total": 1}
    return Line(number, section, **known | {"opened_at": NOON} | values)


FULL = DigestData(
    name="daily",
    title="Stripe webhooks on 21 Nov",
    tz=BERLIN,
    now=NOW,
    start=START,
    end=END,
    counts=COUNTS,
    failures=9,
    lines=(
        a_line(4, Section.DEAD, severity=Severity.CRITICAL, dead=2, at_risk=(Money(9000, "eur"),), url="https://x/4"),
        a_line(2, Section.STILL_OPEN, total=31, opened_at=START - 3 * DAY),
        a_line(
            1,
            Section.RECOVERED,
            resolved_at=NOON + 17 * MINUTE,
            resolved_how="by retry",
            recovered=(Money(1842_000, "eur"),),
        ),
    ),
    at_risk=(Money(9000, "eur"),),
    recovered=(Money(1842_000, "eur"),),
    held=(Held("quiet hours night", 1, 57, 0, NOON),),
    undelivered=(Undelivered("oncall", "refused: 21610", "message", 3),),
    trend=Trend(
        period="day",
        unit="hour",
        labels=tuple(f"{hour:02}:00" for hour in range(24)),
        now=(0, 8, 4) + (0,) * 21,
        before=(1,) * 24,
        usual=(0,) * 24,
        usual_sum=3,
        periods=7,
    ),
    url="https://x/",
)


def test_a_full_digest_reads_from_the_worst_to_what_is_over() -> None:
    message = render_digest(FULL)
    assert message.title == (
        "Stripe webhooks on 21 Nov: 3 alerts, 2 still open, EUR 90.00 at risk, not all could be delivered"
    )
    assert message.summary == (
        "12,408 events, 99.3 % handled the first time, 74 recovered, 2 given up, 2 not handled yet",
        "EUR 90.00 at risk · EUR 18,420.00 recovered",
        "Failures per hour from 00:00, the highest bar is 8:",
        "·█▄····················· this day: 12",
        "▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁ the day before: 24",
        "························ usual: 3 (median of 7 days)",
        "Given up: nothing retries these by itself:",
        "- 4 critical, invoice.paid: bug 4: 1 failure · EUR 90.00 at risk · 2 events given up · "
        "since Sat 21 Nov 13:00 CET",
        "Still open from before:",
        "- 2 error, invoice.paid: bug 2: 1 failure (31 in all) · since Wed 18 Nov 08:00 CET",
        "Recovered by themselves:",
        "- 1 invoice.paid: bug 1: 1 failure · EUR 18,420.00 recovered · "
        "over after 17 min, Sat 21 Nov 13:17 CET, by retry",
        "Held back:",
        "- quiet hours night: 1 alert, 57 failures not told · since Sat 21 Nov 13:00 CET",
        "Could not be delivered:",
        "- oncall: refused: 21610 (3 messages)",
    )
    assert message.footer == ('Sent because: digest "daily" of Sat 21 Nov 08:00 CET to today 08:00',)
    assert message.short == f"{message.title}. {message.summary[0]}. {message.summary[1]}"
    assert message.severity is Severity.CRITICAL


def test_the_html_says_what_the_text_says_and_needs_nothing_from_elsewhere() -> None:
    message = render_digest(replace(FULL, lines=(*FULL.lines, a_line(9, what="<script>x</script>"))))
    shown = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", message.html)).split())
    for block in digest_page.blocks(FULL):
        assert block.title in shown
        for row in block.rows:
            assert row.name in shown
            assert row.detail in shown
            assert f"- {row.name}: {row.detail}" in message.text
    assert "<script>x</script>" in shown
    assert not re.search(r"<(script|img|link|iframe)|url\(|@import| on\w+=", message.html)
    assert 'href="https://x/4"' in message.html


def test_bars_are_table_cells_whose_heights_are_in_proportion() -> None:
    message = render_digest(FULL)
    drawn = re.findall(r'class="(now|before|usual)" bgcolor="#\w{6}" width="\d" height="(\d+)"', message.html)
    assert [int(height) for kind, height in drawn if kind == "now"] == [bars.HEIGHT, bars.HEIGHT // 2]
    assert [int(height) for kind, height in drawn if kind == "before"] == [bars.HEIGHT // 8] * 24
    assert not [kind for kind, _ in drawn if kind == "usual"]


@pytest.mark.parametrize(("parts", "pixels"), [(24, 350), (31, 350), (12, 350)])
def test_bars_fit_on_a_telephone(parts: int, pixels: int) -> None:
    drawn = bars.chart(Trend("day", "hour", ("x",) * parts, (1,) * parts, (1,) * parts, (1,) * parts, 1, 7))
    assert drawn is not None
    assert parts * (sum(drawn.widths) + 2) <= pixels


def test_without_failures_there_are_no_bars() -> None:
    assert bars.chart(Trend("day", "hour", ("x",), (0,), (0,), (0,), 0, 7)) is None


def test_past_the_thirtieth_alerts_of_a_section_are_numbers() -> None:
    message = render_digest(replace(FULL, lines=tuple(a_line(number) for number in range(1, 101))))
    assert "- and 70 more: alerts 31-100" in message.summary
    assert "and 70 more: alerts 31-100" in message.html


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (replace(FULL, lines=FULL.lines[2:], at_risk=(), undelivered=()), "1 alert, all over"),
        (replace(FULL, lines=(), at_risk=()), "no alerts, not all could be delivered"),
        (replace(FULL, at_risk=(), undelivered=()), "3 alerts, 2 still open"),
    ],
)
def test_the_title_says_how_it_stands(data: DigestData, outcome: str) -> None:
    assert render_digest(data).title == f"Stripe webhooks on 21 Nov: {outcome}"


def test_a_digest_of_absurd_texts_is_bounded() -> None:
    held = tuple(Held("g" * 5000, 1, 1, 1, NOON, "c" * 5000) for _ in range(100))
    undelivered = tuple(Undelivered("x" * 500, "w" * 5000, "alert", 1) for _ in range(100))
    lines = tuple(a_line(n, what="w" * 5000, resolved_how="h" * 5000, held_by=("b" * 500,) * 50) for n in range(2000))
    message = render_digest(replace(FULL, lines=lines, held=held, undelivered=undelivered))
    assert len(message.short) <= 290
    assert len(message.text) < 60_000
    assert all(len(line) < 700 for line in message.summary)
    assert "- and 70 more" in message.summary


# --- the trend


def at_hours(alert: Alert, start: datetime, hours: Iterable[int]) -> None:
    failures(alert, *[{"occurred_at": start + hour * HOUR + 59 * MINUTE} for hour in hours])


@needs_db
def test_failures_are_counted_by_local_hour_beside_the_day_before_and_the_weeks_median() -> None:
    alert = an_alert(opened_at=START - 9 * DAY)
    at_hours(alert, START, [0, 0, 5, 23])
    at_hours(alert, START - DAY, [0, 7])
    for days in range(2, 6):
        at_hours(alert, START - days * DAY, [5, 5, 5])
    at_hours(alert, START - 8 * DAY, [9] * 9)  # before all of it
    at_hours(alert, END, [0])  # after it
    found = trend(END, "day", BERLIN)
    assert found.labels[0] == "08:00"
    assert found.labels[23] == "07:00"
    assert {hour: n for hour, n in enumerate(found.now) if n} == {0: 2, 5: 1, 23: 1}
    assert {hour: n for hour, n in enumerate(found.before) if n} == {0: 1, 7: 1}
    assert {hour: n for hour, n in enumerate(found.usual) if n} == {5: 3}  # on four of the seven days before
    assert found.usual_sum == 3  # of 2, 3, 3, 3, 3, 0 and 0


@needs_db
@pytest.mark.parametrize(
    ("end", "hours"),
    [
        (datetime(2026, 10, 25, 23, tzinfo=UTC), 25),  # clocks go back: 2 o'clock happens twice
        (datetime(2026, 3, 29, 22, tzinfo=UTC), 23),  # clocks go forward: there is no 2 o'clock
    ],
)
def test_a_day_on_which_clocks_change_has_its_24_local_hours(end: datetime, hours: int) -> None:
    alert = an_alert(opened_at=end - 2 * DAY)
    at_hours(alert, end - hours * HOUR, range(hours))
    found = trend(end, "day", BERLIN)
    assert len(found.now) == 24
    assert sum(found.now) == hours
    assert found.now[2] == {25: 2, 23: 0}[hours]
    assert sum(found.before) == 0


@needs_db
@pytest.mark.parametrize(
    ("every", "end", "parts", "unit"),
    [
        ("hour", END, 12, "5 minutes"),
        ("week", datetime(2026, 11, 23, 7, tzinfo=UTC), 7, "day"),
        ("month", datetime(2026, 10, 31, 23, tzinfo=UTC), 31, "day"),
        ("month", datetime(2027, 2, 28, 23, tzinfo=UTC), 28, "day"),
    ],
)
def test_other_periods_have_other_parts(every: Every, end: datetime, parts: int, unit: str) -> None:
    alert = an_alert(opened_at=end - DAY)
    failures(alert, {"occurred_at": end - MINUTE}, {"occurred_at": end})
    found = trend(end, every, BERLIN)
    assert (len(found.now), len(found.labels), found.unit) == (parts, parts, unit)
    assert (sum(found.now), found.now[-1]) == (1, 1)


@needs_db
def test_a_digest_by_hand_may_end_at_any_second() -> None:
    end = END + timedelta(seconds=31.5)
    alert = an_alert(opened_at=end - DAY)
    failures(alert, *[{"occurred_at": end - n * DAY + MINUTE} for n in range(10)])
    found = trend(end, "day", BERLIN)
    assert (sum(found.now), sum(found.before), found.usual_sum) == (1, 1, 1)


# --- many failures


@needs_db
def test_a_day_of_many_failures_takes_few_queries_all_by_index() -> None:
    alerts = [an_alert(title=f"bug {n}", opened_at=START) for n in range(3)]
    for alert in alerts:
        failures_in_bulk(
            alert,
            (
                paid(f"evt_{alert.pk}_{n // 2}", occurred_at=START + n * timedelta(seconds=12), amount=1)
                | (over() if n % 4 < 2 else {})
                for n in range(6600)
            ),
        )
        a_notification(alert, held_by="silence", held_ref="1", held_since=NOON)
    long_ago = an_alert(opened_at=START - 30 * DAY, resolved_at=START - 30 * DAY, title="long ago")
    failures_in_bulk(long_ago, (paid(f"evt_old{n}", occurred_at=START - 30 * DAY, **over()) for n in range(1000)))
    target = a_target(TEAM).pk
    with CaptureQueriesContext(connection) as captured:
        data = collect(PLAN, target, PERIOD, NOW, site_url="https://shop.example")
    assert data.failures == 19_800
    assert data.at_risk == (Money(3 * 1650, "eur"),)
    assert data.recovered == (Money(3 * 1650, "eur"),)
    assert len(data.lines) == 3
    assert len(captured) <= 12
    for query in captured:
        # The alerts themselves are few, and their page of the database is read whole.
        assert not [table for table in scanned(query["sql"]) if "alert" not in table], query["sql"]


@needs_db
def test_the_number_of_queries_does_not_grow_with_the_alerts() -> None:
    numbers = []
    a_target(TEAM)
    for more in (2, 40):
        for _ in range(more):
            alert = an_alert()
            failures(alert, paid(f"evt_{alert.pk}"))
            a_notification(alert, held_by="quiet_hours", held_ref="night")
        with CaptureQueriesContext(connection) as captured:
            collected(site_url="https://shop.example")
        numbers.append(len(captured))
    assert numbers[0] == numbers[1]
    assert Notification.objects.count() == 42
    assert {line.section for line in collected().lines} <= OPEN
