"""Sentences on an alert. Each has a limited length, whatever the alert contains. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from notifier.facts import NEVER_AGAIN, Money, Reason
from notifier.judge.builtin import while_it_holds
from notifier.messages.telling import Story
from notifier.messages.wording import about, clock, counted, shorten, span, sums, unknown_amounts

TYPE, NAME, TITLE, HINT, ERROR = 80, 60, 200, 500, 300  # characters
RECENT = timedelta(minutes=2)  # more recent times are left out, as the message itself has a time
WAYS = {"retry": "by retry", "replay": "replayed", NEVER_AGAIN: "never to be run again"}


class Fact(NamedTuple):
    label: str  # of its row in a table
    value: str
    words: str  # how it reads in a line with others


def what(story: Story) -> str:
    """ "invoice.paid: database unavailable" """
    title = shorten(story.title, TITLE)
    return mode(story) + (f"{kinds(story)}: {title}" if story.event_type else title)


def mode(story: Story) -> str:
    """A prefix for alerts of test mode, so that nobody gets up for one."""
    return "" if story.livemode else "[test mode] "


def kinds(story: Story) -> str:
    others = story.totals.types - 1
    return shorten(story.event_type, TYPE) + (f" and {counted(others, 'other type')}" if others > 0 else "")


def headline(story: Story) -> str:
    """What is wrong, or that it is over, without the severity."""
    if story.resolved_at:
        end = "No longer followed" if story.forgotten else "Resolved"
        return f"{end} after {about(story.resolved_at - began(story))}: {what(story)}"
    return f"Test: {wrong(story)}" if story.reason is Reason.TEST else wrong(story)


def wrong(story: Story) -> str:
    """ "invoice.paid cannot be processed: database unavailable": the same from the first message to the last"""
    title = shorten(story.title, TITLE)
    how = "is processed, but what follows its commit failed" if story.after_commit else "cannot be processed"
    return mode(story) + (f"{kinds(story)} {how}: {title}" if story.event_type else title)


def facts(story: Story) -> tuple[Fact, ...]:
    """What is at stake and for whom, most important first."""
    totals = story.totals
    recovered = money(story, totals.recovered)
    rows = [
        Fact("At risk" if story.livemode else "Test money", _stake(story), at_risk(story)),
        Fact("Recovered", recovered, recovered and f"{recovered} recovered"),
    ]
    if story.resolved_at:
        rows = []  # the news says how often
    if story.about_events or story.event_type or not story.livemode:
        rows.append(_same("Mode", "live" if story.livemode else "test mode"))
    rows.append(_named("Account", story.account))
    if totals.customers > 1:
        rows.append(Fact("Customers", f"{totals.customers:,}", counted(totals.customers, "customer")))
    else:
        rows.append(_named("Customer", totals.customer))
    if totals.object_id != totals.customer:
        rows.append(_same("Object", shorten(totals.object_id, NAME)))
    rows.append(_same("Failures", how_often(story)))
    return tuple(row for row in rows if row.value)


def _same(label: str, value: str) -> Fact:
    return Fact(label, value, value)


def _named(label: str, value: str) -> Fact:
    name = shorten(value, NAME)
    return Fact(label, name, f"{label.lower()} {name}")


def at_risk(story: Story) -> str:
    """ "EUR 18,420.00 at risk"; empty in test mode"""
    text = sums(story.totals.at_risk)
    known = f"{text} {'at risk' if story.livemode else 'of test money'}" if text else ""
    return ", ".join(part for part in (known, unknown(story)) if part)


def unknown(story: Story) -> str:
    """ "amount unknown for 1 event" """
    return unknown_amounts(story.totals.unknown, "event" if story.about_events else "failure")


def _stake(story: Story) -> str:
    return ", ".join(part for part in (sums(story.totals.at_risk), unknown(story)) if part)


def money(story: Story, sums_of: Iterable[Money]) -> str:
    """ "EUR 18,420.00 and USD 310.00", or "EUR 5.00 of test money" """
    text = sums(sums_of)
    return f"{text} of test money" if text and not story.livemode else text


def how_often(story: Story) -> str:
    """ "413 events since 14:02 CEST, last 14:11" """
    events = story.totals.events if story.about_events else 0
    number = counted(events, "event") if events else "once" if story.count == 1 else f"{story.count:,} times"
    if events == 1 < story.count:
        number += f", failed {story.count:,} times"
    elif 1 < events < story.count:
        number += f" ({story.count:,} failures)"
    first, last = span(began(story), story.last_at, story.now, story.tz)
    if story.count == 1:
        return number if story.now - began(story) < RECENT else f"{number} at {first}"
    return f"{number} from {first} to {last}" if story.resolved_at else f"{number} since {first}, last {last}"


def began(story: Story) -> datetime:
    return min(story.totals.first_at or story.opened_at, story.opened_at)


def error(story: Story) -> str:
    """ "OperationalError: server closed the connection in billing/handlers.py:84 record_payment" """
    said = [shorten(story.exception, NAME), shorten(story.message, ERROR)]
    text = ": ".join(part for part in said if part)
    if not story.frame:
        return text
    file = story.frame.file
    where = f"{file if len(file) <= TYPE else '…' + file[-TYPE:]}:{story.frame.line}"
    return f"{text} in {where} {shorten(story.frame.function, NAME)}".strip()


def progress(story: Story) -> str:
    """ "13 of 413 events are processed since (13 by retry)" """
    done = story.totals.recovered_events
    if not done or story.resolved_at or not story.about_events:
        return ""
    return f"{done:,} of {counted(story.totals.events, 'event')} {done_with(story)} since ({ways(story)})"


def done_with(story: Story) -> str:
    """ "settled" if some events were given up for good, else "processed"."""
    return "settled" if any(how == NEVER_AGAIN for how, _ in story.totals.recovered_by) else "processed"


def ways(story: Story) -> str:
    by = story.totals.recovered_by
    return ", ".join(f"{number:,} {WAYS.get(how, f'by {shorten(how, 20)}')}" for how, number in by)


def held_with_it(story: Story) -> str:
    """ "Held while this is open: 2 alerts, 57 failures (119 payout.failed cannot be processed: …)" """
    children = story.children
    if not children.alerts:
        return ""
    names = ", ".join(f"{number} {shorten(name, TYPE)}" for number, name in children.named)
    more = children.alerts - len(children.named)
    rest = f" and {more:,} more" if more > 0 else ""
    number = f"{counted(children.alerts, 'alert')}, {counted(children.occurrences, 'failure')}"
    return f"Held while this is open: {number} ({names}{rest})"


# --- what to do


def action(story: Story) -> str:
    """What to do, and what will happen by itself."""
    waits = story.will_retry and not story.totals.dead
    hint = "" if story.resolved_at else shorten(while_it_holds(story.hint, waits=waits), HINT)
    return " ".join(part for part in (hint, gave_up(story), next_attempt(story)) if part)


def gave_up(story: Story) -> str:
    dead, named = story.totals.dead, story.totals.dead_events
    if not dead or not story.about_events:
        return ""
    everything = f"--type {shorten(story.event_type, TYPE)}" if story.totals.types == 1 else "--state dead"
    command = f"replay {' '.join(shorten(name, NAME) for name in named) if dead <= len(named) else everything}"
    if dead == story.totals.events == 1:
        return f"Gave up after attempt {story.attempt}; nothing will retry it by itself: `manage.py {command}`."
    them = "it by itself" if dead == 1 else "them by themselves"
    return f"{counted(dead, 'event')} gave up; nothing will retry {them}: `manage.py {command}`."


def next_attempt(story: Story) -> str:
    """ "Attempt 2 of 12 at 14:32 CEST, gives up Wed 25 Nov 14:05." """
    if story.resolved_at or not story.will_retry or not story.next_attempt_at:
        return ""
    of = f" of {story.max_attempts}" if story.max_attempts else ""
    attempt = f"attempt {story.attempt + 1}{of}"
    start = attempt.capitalize() if story.totals.events <= 1 else f"The newest failure: {attempt}"
    due = "at" if story.next_attempt_at > story.now else "due since"
    if not story.gives_up_at:
        return f"{start} {due} {clock(story.next_attempt_at, story.now, story.tz)}."
    at, until = span(story.next_attempt_at, story.gives_up_at, story.now, story.tz)
    return f"{start} {due} {at}, gives up {until}."
