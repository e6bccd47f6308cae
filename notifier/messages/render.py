"""Renders stories as messages, with every field filled for any channel. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.template.loader import render_to_string

from notifier.channels.text import POSSIBLE_REPEAT, plain
from notifier.facts import Button, Message, Money, Reason, Severity, Verb
from notifier.messages import buttons, news, phrases, sms_text
from notifier.messages.phrases import Fact
from notifier.messages.sms_text import NO_REST, Rest
from notifier.messages.telling import Story
from notifier.messages.wording import capitalised, clock, counted, end_of, shorten, sums

TRACEBACK = 6000  # characters
NAMED = 20  # alerts that a list names
CHANGED = 5  # changed alerts that the news of a list names
LINE = 600

COLOURS = {
    Severity.CRITICAL: "#c62828",
    Severity.ERROR: "#c2410c",
    Severity.WARNING: "#a16207",
    Severity.INFO: "#1d4ed8",
}
_TOLD_FIRST = (Reason.ESCALATED, Reason.RAISED, Reason.REOPENED, Reason.REPEAT)
OVER, TEST = "#15803d", "#475569"


def render(story: Story, *, note: str = "", html: bool = True) -> Message:
    """The message about one alert. `note` is a further sentence for every form of it.

    `html` is optional, as that form takes as long as all others together.
    """
    known = phrases.facts(story)
    error = phrases.error(story)
    lines = (
        " · ".join(fact.words for fact in known),
        error,
        phrases.progress(story),
        phrases.held_with_it(story),
    )
    message = Message(
        reason=story.reason,
        severity=story.severity,
        title=phrases.headline(story),
        summary=tuple(shorten(line, LINE) for line in lines if line),
        action=phrases.action(story),
        news=shorten(news.latest(story), LINE),
        footer=tuple(line for line in (*news.footer(story), note) if line),
        links=story.links,
        buttons=buttons.of_one(story),
        answer_url=story.answer_url,
        short=sms_text.one(story, note),
        subject=f"Alert {story.id}: {phrases.wrong(story)}",
        state=" · ".join(part for part in (capitalised(_mark(story)), _stake(story), _changed(story)) if part),
        detail="" if story.resolved_at else end_of(story.traceback.strip(), TRACEBACK),
        reference=story.reference,
        deliveries=story.deliveries,
        thread=story.thread,
        possible_repeat=story.possible_repeat,
        forgotten=story.forgotten,
    )
    rows = [*known, Fact("Error", error, error), *(Fact("", line, line) for line in lines[2:])]
    return _whole(message, _mark(story), [row for row in rows if row.value], html=html)


def fold(
    stories: Sequence[Story],
    *,
    rest: Rest = NO_REST,
    at_risk: Sequence[Money] | None = None,
    note: str = "",
    changed: Sequence[Story] = (),
    thread: str = "",
    html: bool = True,
) -> Message:
    """One message that lists several alerts, the worst first. Raises ValueError when there are none.

    `rest` are those without a line of their own. `at_risk` is the money of all together (see
    adding_up.at_risk_together). With a `thread` the list is the one that
    was sent there, and `changed` are the alerts for which it is sent again.
    """
    if not stories:
        raise ValueError("there is nothing to fold: no stories were given")
    ordered = sms_text.worst_first(stories)
    worst = ordered[0]
    live = [sum_ for one in stories if one.livemode for sum_ in one.totals.at_risk]
    money = live if at_risk is None else list(at_risk)
    unknown = "some amounts unknown" if any(one.livemode and one.totals.unknown for one in stories) else ""
    stake = ", ".join(part for part in (f"{sums(money)} at risk" if sums(money) else "", unknown) if part)
    rows = [Fact(f"Alert {one.id}", shorten(_in_one_line(one), LINE - 30), "") for one in ordered[:NAMED]]
    unnamed = [*(one.id for one in ordered[NAMED:]), *rest.ids]
    if unnamed:
        rows.append(Fact("", f"and {len(unnamed):,} more: alerts {sms_text.numbers(unnamed)}", ""))
    message = Message(
        reason=_reason_of(ordered, changed, thread),
        severity=worst.severity,
        title=sms_text.how_many(ordered, rest),
        news=shorten(_what_changed(changed), LINE),
        summary=tuple(line for line in (stake, *(f"{row.label} {row.value}".strip() for row in rows)) if line),
        footer=tuple(line for line in (_why_folded(stories), note) if line),
        links=tuple(link for one in ordered[:NAMED] for link in one.links if link.text.endswith(f" {one.id}")),
        buttons=buttons.of_list(ordered),
        short=sms_text.many(stories, money, note, rest),
        subject=f"[{_mark(worst)}] {sms_text.how_many(ordered, rest)}: {phrases.what(worst)}, …",
        reference=worst.reference,
        thread=thread,
        possible_repeat=any(one.possible_repeat for one in stories),
        forgotten=any(one.forgotten for one in stories),
    )
    known = [Fact("At risk", ", ".join(part for part in (sums(money), unknown) if part), "")] if stake else []
    return _whole(message, _mark(worst), [*known, *rows], html=html)


def render_test(to: str, now: datetime, tz: str, *, reference: str = "", answered_by: int = 0) -> Message:
    """The test message: it says where it was sent, and that nothing is wrong. `to` is the target, in words.

    With a number in `answered_by` it has a button, to test answers too.
    """
    when = clock(now, now, tz)
    message = Message(
        reason=Reason.TEST,
        severity=Severity.INFO,
        title="Test: alerts of Stripe's webhooks arrive here",
        summary=("Nothing is wrong, and there is nothing to do.", f"Sent {when} to {shorten(to, LINE)}"),
        footer=("Sent because: `manage.py send_test`", *([f"Reference {reference}"] if reference else [])),
        short=f"TEST alerts of Stripe's webhooks arrive here. Nothing is wrong. Sent {when}.",
        subject="[test] alerts of Stripe's webhooks arrive here",
        reference=reference,
        buttons=(Button("It arrived", Verb.TEST, (answered_by,)),) if answered_by else (),
    )
    return _whole(message, "test", [])


def _whole(message: Message, mark: str, rows: Sequence[Fact], *, html: bool = True) -> Message:
    """The message with its plain text and its HTML, which say the same."""
    traceback = f"\n\n{message.detail}\n" if message.detail else "\n"
    if not html:
        return replace(message, text=plain(message) + traceback)
    page = render_to_string(
        "notifier/email/alert.html",
        {
            "message": message,
            "mark": mark,
            "colour": _colour(message),
            "facts": rows,
            "possible_repeat": POSSIBLE_REPEAT,
        },
    )
    return replace(message, text=plain(message) + traceback, html=page)


def _mark(story: Story) -> str:
    if story.reason is Reason.TEST:
        return "test"
    if story.forgotten:
        return "no longer followed"
    return "resolved" if story.resolved_at else story.severity.label


def _colour(message: Message) -> str:
    if message.reason is Reason.TEST:
        return TEST
    if message.reason is Reason.RESOLVED:
        return TEST if message.forgotten else OVER
    return COLOURS[message.severity]


def _stake(story: Story) -> str:
    """ "413 events, EUR 18,420.00" """
    events = story.totals.events if story.about_events else 0
    number = counted(events, "event") if events else "once" if story.count == 1 else f"{story.count:,} times"
    recovered = phrases.money(story, story.totals.recovered)
    money = (recovered and f"{recovered} recovered") if story.resolved_at else phrases.at_risk(story)
    return f"{number}, {money}" if money else number


def _changed(story: Story) -> str:
    """What is new since the last message: the first line of an email, as its subject stays the same."""
    return "" if story.reason in (Reason.FIRST, Reason.RESOLVED, Reason.TEST) else news.just_more_or_why(story)


def _in_one_line(story: Story) -> str:
    return f"{_mark(story)}: {phrases.what(story)} ({_stake(story)})"


def _reason_of(ordered: Sequence[Story], changed: Sequence[Story], thread: str) -> Reason:
    """The reason of a list: RESOLVED only if all of it is; news of an earlier list has its most urgent reason."""
    if all(one.resolved_at for one in ordered):
        return Reason.RESOLVED
    if not thread:
        return ordered[0].reason
    reasons = {one.reason for one in changed}
    return next((one for one in _TOLD_FIRST if one in reasons), Reason.UPDATE)


def _what_changed(stories: Sequence[Story]) -> str:
    """ "2 alerts changed: 118 critical: … (3 events), 121 resolved: …" """
    if not stories:
        return ""
    named = "; ".join(f"{one.id} {_in_one_line(one)}" for one in sms_text.worst_first(stories)[:CHANGED])
    more = f"; and {len(stories) - CHANGED:,} more" if len(stories) > CHANGED else ""
    return f"{counted(len(stories), 'alert')} changed: {named}{more}"


def _why_folded(stories: Sequence[Story]) -> str:
    reasons = sorted({news.because(one) for one in stories})
    return f"Sent because: {counted(len(stories), 'alert')} waited together ({', '.join(reasons)})"
