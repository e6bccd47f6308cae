"""Renders a digest: one line when all was quiet, else what is open comes first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from django.template.loader import render_to_string

from notifier.channels.text import POSSIBLE_REPEAT, plain
from notifier.facts import FORGOTTEN, EventCounts, Link, Message, Reason, Severity
from notifier.messages import bars
from notifier.messages.digest_data import OPEN, DigestData, Held, Line, Section, Undelivered
from notifier.messages.render import COLOURS, OVER, TEST
from notifier.messages.sms_text import numbers
from notifier.messages.wording import about, clock, counted, shorten, span, sums, unknown_amounts

NAMED = 30  # rows that a block lists
WHAT, WHY, SHORT = 160, 300, 290  # characters


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    detail: str
    colour: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    title: str
    rows: tuple[Row, ...]
    rest: str = ""  # says how many are not listed


def render_digest(data: DigestData, *, reference: str = "", possible_repeat: bool = False) -> Message:
    """The message of a digest. A section lists NAMED alerts, and gives the numbers of the others."""
    title = f"{data.title}: {_outcome(data)}"
    known = (_covers(data),) if data.quiet else (events(data.counts), _money(data), _covers(data))
    facts = tuple(line for line in known if line)
    chart = None if data.quiet or not data.trend else bars.chart(data.trend)
    shown = () if data.quiet else tuple(blocks(data))
    colour = COLOURS[max((line.severity for line in data.lines), default=Severity.WARNING)]
    message = Message(
        reason=Reason.DIGEST,
        severity=max((line.severity for line in data.lines), default=Severity.INFO),
        title=title,
        summary=(*facts, *(chart.lines if chart else ()), *(line for block in shown for line in _lines(block))),
        footer=(_why(data), *([f"Reference {reference}"] if reference else [])),
        links=(Link("All alerts", data.url),) if data.url else (),
        short=_short(title, facts),
        subject=title,
        reference=reference,
        possible_repeat=possible_repeat,
    )
    page = {
        "message": message,
        "colour": colour if any(line.section in OPEN for line in data.lines) else OVER,
        "facts": facts,
        "chart": chart,
        "blocks": shown,
        "possible_repeat": POSSIBLE_REPEAT,
    }
    text = plain(message)
    for block in shown:  # room between the sections
        text = text.replace(f"\n{block.title}:\n", f"\n\n{block.title}:\n")
    return replace(message, text=text + "\n", html=render_to_string("notifier/email/digest.html", page))


def events(counts: EventCounts | None) -> str:
    """ "12,408 events, 99.4 % handled the first time, 74 recovered, 2 given up" """
    if counts is None:
        return ""
    if counts.received == 0:
        return "No events were received"
    all_at_once = counts.first_time == counts.received
    share = counts.first_time * 1000 // counts.received / 10  # rounded down, so that 100 % means all
    parts = [
        f"{counted(counts.received, 'event')}, {'all' if all_at_once else f'{share} %'} handled the first time",
        f"{counts.recovered:,} recovered" if counts.recovered else "",
        f"{counts.dead:,} given up" if counts.dead else "",
        f"{counts.open:,} not handled yet" if counts.open else "",
    ]
    return ", ".join(part for part in parts if part)


def blocks(data: DigestData) -> Iterator[Block]:
    """The sections that are not empty."""
    for section in Section:
        lines = data.of(section)
        if lines:
            left_out = lines[NAMED:]
            rest = f"and {len(left_out):,} more: alerts {numbers(line.id for line in left_out)}" if left_out else ""
            yield Block(section.value, tuple(_row(line, data) for line in lines[:NAMED]), rest)
    if data.held:
        yield Block("Held back", tuple(_held(held, data) for held in data.held[:NAMED]), _more(len(data.held)))
    if data.undelivered:
        shown = tuple(map(_undelivered, data.undelivered[:NAMED]))
        yield Block("Could not be delivered", shown, _more(len(data.undelivered)))


def _short(title: str, facts: Iterable[str]) -> str:
    """As many of the facts as fit into an SMS."""
    text = shorten(title, SHORT)
    for fact in facts:
        text = f"{text}. {fact}" if len(text) + len(fact) + 2 <= SHORT else text
    return text


def _outcome(data: DigestData) -> str:
    if data.quiet:
        return "all quiet" + (f", {counted(data.counts.received, 'event')}" if data.counts else "")
    still_open = sum(line.section in OPEN for line in data.lines)
    forgotten = sum(line.resolved_how.startswith(FORGOTTEN) for line in data.lines)
    parts = [
        counted(len(data.lines), "alert") if data.lines else "no alerts",
        f"{still_open:,} still open" if still_open else "all over" if data.lines and not forgotten else "",
        f"{forgotten:,} forgotten" if forgotten else "",
        f"{sums(data.at_risk)} at risk" if sums(data.at_risk) else "",
        "not all could be delivered" if data.undelivered else "",
    ]
    return ", ".join(part for part in parts if part)


def _money(data: DigestData) -> str:
    at_risk, recovered = sums(data.at_risk), sums(data.recovered)
    test = sums(data.test_money)
    parts = [
        f"{at_risk} at risk" if at_risk else "",
        unknown_amounts(data.unknown),
        f"{recovered} recovered" if recovered else "",
        f"test mode: {test} of test money, at no risk" if test else "",
    ]
    return " · ".join(part for part in parts if part)


def _covers(data: DigestData) -> str:
    if not data.gap_start or not data.gap_end:
        return ""
    first, last = span(data.gap_start, data.gap_end, data.now, data.tz)
    return f"Covers {about(data.end - data.start)}, since no digest went out from {first} to {last}"


def _why(data: DigestData) -> str:
    first, last = span(data.start, data.end, data.now, data.tz)
    return f'Sent because: digest "{shorten(data.name, 60)}" of {first} to {last}'


def _row(line: Line, data: DigestData) -> Row:
    over = line.resolved_at is not None
    test = "" if line.livemode else " of test money"
    money, recovered = sums(line.at_risk) and f"{sums(line.at_risk)}{test}", sums(line.recovered)
    left = "not recovered" if over else "at risk" if line.livemode else "waiting"
    failures = counted(line.count, "failure") if line.count else "no new failure"
    parts = [
        f"{failures} ({line.total:,} in all)" if line.total > line.count else failures,
        f"{money} {left}" if money else "",
        unknown_amounts(line.unknown),
        f"{recovered}{test} recovered" if recovered else "",
        f"{counted(line.dead, 'event')} given up" if line.dead else "",
        f"{counted(line.waiting, 'event')} not processed" if over and line.waiting else "",
        _when(line, data),
        f"held by {shorten(', '.join(line.held_by), 80)}" if line.held_by else "",
    ]
    colour = COLOURS[line.severity] if not over else TEST if line.resolved_how.startswith(FORGOTTEN) else OVER
    severity, mode = "" if over else f"{line.severity.label}, ", "" if line.livemode else "[test mode] "
    name = f"{line.id} {severity}{mode}{shorten(line.what, WHAT)}"
    return Row(name, " · ".join(part for part in parts if part), colour, line.url)


def _when(line: Line, data: DigestData) -> str:
    if line.resolved_at is None:
        return f"since {clock(line.opened_at, data.now, data.tz)}"
    how = f", {shorten(line.resolved_how, 60)}" if line.resolved_how else ""
    if line.resolved_how.startswith(FORGOTTEN):
        return f"no longer followed, {line.resolved_how}: nobody said it was fixed"
    return f"over after {about(line.resolved_at - line.opened_at)}, {clock(line.resolved_at, data.now, data.tz)}{how}"


def _held(held: Held, data: DigestData) -> Row:
    parts = [
        f"{counted(held.alerts, 'alert')}, {counted(held.failures, 'failure')} not told",
        f"{held.over:,} over before anybody was told" if held.over else "",
        f"since {clock(held.since, data.now, data.tz)}" if held.since else "",
    ]
    name = shorten(held.by, 100) + (f" ({shorten(held.comment, WHY)})" if held.comment else "")
    return Row(name, " · ".join(part for part in parts if part))


def _undelivered(one: Undelivered) -> Row:
    number = f" ({counted(one.number, one.what)})" if one.what else ""
    return Row(shorten(one.channel, 100), shorten(one.why, WHY) + number)


def _more(number: int) -> str:
    return f"and {number - NAMED:,} more" if number > NAMED else ""


def _lines(block: Block) -> Iterator[str]:
    yield f"{block.title}:"
    for row in block.rows:
        yield f"- {row.name}: {row.detail}"
    if block.rest:
        yield f"- {block.rest}"
