"""One alert, or several, in an SMS: the most important first, in one segment if possible, at most two. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from notifier.channels.gsm7 import CUT, JOINED, SINGLE, gsm7, septets
from notifier.facts import Money, Reason, Severity
from notifier.messages import news, phrases
from notifier.messages.telling import Story
from notifier.messages.wording import about, clock, counted, sums

MARKS = {Severity.CRITICAL: "CRIT", Severity.ERROR: "ERROR", Severity.WARNING: "WARN", Severity.INFO: "INFO"}
REPEAT = len("Repeat? ")  # the channel may put this before the text
ITEM, LEAST = 60, 40  # septets for the name of one of several alerts, and at least for a single one
ANSWER = 120  # septets of a person's answer
RANGES = 4  # ranges of alert numbers
CURRENCIES = 3


class Room(NamedTuple):
    """How many septets the text may have, in one segment and in two."""

    single: int
    double: int


class Rest(NamedTuple):
    """The alerts of a list that have no line of their own in it."""

    ids: Sequence[int] = ()
    over: int = 0  # how many of them are resolved


NO_REST = Rest()


def room(*stories: Story) -> Room:
    """The room that is left beside the reference and REPEAT, which the channel adds."""
    reference = stories[0].reference
    taken = septets(reference) + 1 if reference else 0
    taken += REPEAT if any(one.possible_repeat for one in stories) else 0
    # One less in two segments: a character of two septets cannot be split between them.
    return Room(SINGLE - taken, 2 * JOINED - 1 - taken)


def one(story: Story, note: str = "") -> str:
    """ "CRIT invoice.paid: database unavailable. 413 events, EUR 18,420.00 at risk since 14:02 CEST. Alert 118." """
    what = _what(story)
    plain = re.sub(r" \([^()]*\)$", "", what)  # without the exception's name in brackets
    single, double = room(story)
    for named, zone in ((what, True), (what, False), (plain, False)):
        text = _one(story, named, note, zone=zone)
        if septets(text) <= single:
            return text
    # Too long for one segment: first the name is cut, then what happens by itself; never the alert's number.
    spare = double - septets(_one(story, "", note, zone=True)) < LEAST
    rest = septets(_one(story, "", note, zone=True, brief=spare))
    text = _one(story, clip(what, max(double - rest, LEAST)), note, zone=True, brief=spare)
    stake, number, after = text.partition(_number(story))
    return clip(f"{clip(stake.rstrip(), double - septets(number) - 1)} {number}{after}", double)


def many(stories: Sequence[Story], at_risk: Iterable[Money], note: str = "", rest: Rest = NO_REST) -> str:
    """ "4 alerts, worst CRIT: invoice.paid database unavailable (413), payout.failed code error (2), +2. …" """
    ordered = worst_first(stories)
    single, double = room(*ordered)
    items = [f"{_coded(one)}{clip(_what(one).replace(': ', ' ', 1), ITEM)} ({one.count:,})" for one in ordered]
    reply = "Reply all=ack." if any(one.code and not one.resolved_at for one in ordered) else ""
    money = sums(at_risk, CURRENCIES)
    ids = [*(one.id for one in stories), *rest.ids]
    tail = [f"{money} at risk." if money else "", f"Alerts {numbers(ids)}.", reply, note]
    worst = "" if ordered[0].resolved_at else f", worst {MARKS[ordered[0].severity]}"

    def naming(number: int) -> str:
        unnamed = len(ids) - number
        named = [*items[:number], *([f"+{unnamed}"] if unnamed else [])]
        return gsm7(_spaced([f"{how_many(ordered, rest)}{worst}: {', '.join(named)}.", *tail]))

    texts = [naming(number) for number in range(min(len(items), 10), 0, -1)]
    in_one = [text for text in texts[:-1] if septets(text) <= single]
    in_two = [text for text in texts if septets(text) <= double]
    return next(iter(in_one or in_two), "") or clip(texts[-1], double)


def how_many(stories: Sequence[Story], rest: Rest = NO_REST) -> str:
    """ "4 alerts, 1 of them resolved" """
    over = sum(1 for one in stories if one.resolved_at) + rest.over
    number = len(stories) + len(rest.ids)
    if over == number:
        return f"{counted(over, 'alert')} resolved"
    return counted(number, "alert") + (f", {over} of them resolved" if over else "")


def worst_first(stories: Iterable[Story]) -> list[Story]:
    def rank(one: Story) -> tuple[int, ...]:
        return one.resolved_at is not None, -one.severity, not one.livemode, -one.count, one.id

    return sorted(stories, key=rank)


def numbers(ids: Iterable[int]) -> str:
    """ "118-121, 130" """
    runs: list[list[int]] = []
    for number in sorted(set(ids)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    named = [f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs[:RANGES]]
    rest = sum(len(run) for run in runs[RANGES:])
    return ", ".join([*named, *([f"+{rest}"] if rest else [])])


def clip(text: str, limit: int) -> str:
    """A text cut to so many septets of the GSM alphabet."""
    if septets(text) <= limit:
        return text
    while text and septets(text) > limit - len(CUT):
        text = text[: min(len(text) - 1, limit)]
    return text.rstrip() + CUT


def _what(story: Story) -> str:
    """ "invoice.paid +2 types: database unavailable" """
    what = phrases.what(story).replace(phrases.mode(story), "TEST MODE " if phrases.mode(story) else "", 1)
    return gsm7(re.sub(r" and (\d[\d,]*) other (types?)", r" +\1 \2", what, count=1))


def _one(story: Story, what: str, note: str, *, zone: bool, brief: bool = False) -> str:
    number = _number(story)
    if story.reason is Reason.ANSWERED:
        said = clip(gsm7(news.answers(story)), ANSWER)
        return gsm7(_spaced([f"{said}.", f"{MARKS[story.severity]} {what}.", number, _reply(story), note]))
    if story.resolved_at:
        return gsm7(_spaced([f"{'CLOSED' if story.forgotten else 'OK'} {what}.", _over(story), number, note]))
    lead = {
        Reason.RAISED: f" (was {story.told_severity.label})" if story.told_severity else "",
        Reason.REOPENED: " again:",
        Reason.TEST: " TEST",
    }.get(story.reason, "")
    reminds = story.reason in (Reason.REPEAT, Reason.ESCALATED) and not brief
    reminder = f"{news.still_open(story)}." if reminds else ""
    mark, after = f"{MARKS[story.severity]}{lead}", "" if brief else _next(story)
    return gsm7(_spaced([f"{mark} {what}.", reminder, _stake(story, zone=zone), number, after, _reply(story), note]))


def _number(story: Story) -> str:
    return f"Alert {story.id}."


def _coded(story: Story) -> str:
    """The number by which the recipient can answer, as a prefix: "1: "; else empty."""
    return f"{story.code}: " if story.code and not story.resolved_at else ""


def _reply(story: Story) -> str:
    """ "Reply 1a=ack." """
    has_it = story.acknowledged_until is not None and story.acknowledged_until > story.now
    if story.code:
        return "" if has_it else f"Reply {story.code}a=ack."
    return story.answer_url


def _stake(story: Story, *, zone: bool) -> str:
    events = story.totals.events if story.about_events else 0
    number = counted(events, "event") if events else "Once" if story.count == 1 else f"{story.count:,} times"
    if events == 1 < story.count:
        number += f", failed {story.count:,} times"
    new = f"{news.just_more(story)}, " if story.told_at and story.since.number else ""
    money = sums(story.totals.at_risk, CURRENCIES)
    money += (" at risk" if story.livemode else " of test money") if money else ""
    since = f" since {clock(phrases.began(story), story.now, story.tz, zone=zone)}" if story.count > 1 else ""
    unknown = f", {phrases.unknown(story)}" if story.totals.unknown else ""
    return f"{new}{number}{f', {money}' if money else ''}{unknown}{since}."


def _over(story: Story) -> str:
    totals = story.totals
    after = f"Resolved after {about(story.resolved_at - phrases.began(story))}" if story.resolved_at else "Resolved"
    if story.forgotten:
        after = f"No longer followed, {story.resolved_how}: nobody said it was fixed"
    recovered = f"{sums(totals.recovered, CURRENCIES)}{'' if story.livemode else ' of test money'} recovered"
    money = f", {recovered}" if sums(totals.recovered) else ""
    if not story.about_events:
        return f"{after}{money}."
    done = totals.recovered_events
    if done == totals.events:
        return f"{after}: {'its event' if done == 1 else f'all {done:,} events'} processed{money}."
    return f"{after}, {totals.events - done:,} of {counted(totals.events, 'event')} not processed{money}."


def _next(story: Story) -> str:
    totals = story.totals
    if totals.dead and story.about_events:
        which = totals.dead_events[0] if totals.dead == 1 and totals.dead_events else f"{totals.dead:,} events"
        return f"Gave up: replay {clip(gsm7(which), LEAST)}."
    if not story.will_retry or not story.next_attempt_at:
        return ""
    due = "Next: retry" if story.next_attempt_at > story.now else "Retry due since"
    return f"{due} {clock(story.next_attempt_at, story.now, story.tz, zone=False)}."


def _spaced(sentences: Iterable[str]) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
