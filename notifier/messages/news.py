"""Sentences on what is new about an alert, and why a message was sent. Each has a limited length. Pure."""

from __future__ import annotations

from notifier.facts import HeldBy, Reason
from notifier.messages.phrases import NAME, TITLE, TYPE, began, done_with, money, unknown, ways
from notifier.messages.telling import Story
from notifier.messages.wording import about, capitalised, clock, counted, shorten, sums

ANSWERS = 3  # answers that are told each
AGAIN = "Failing again after it was reported as resolved"


def latest(story: Story) -> str:
    """What changed since the last message. In a thread, where it stands alone, it also says what held it."""
    if story.reason is Reason.TEST:
        return "This is a test: nothing is wrong"
    if story.reason is Reason.RESOLVED:
        return over(story)
    lead = {
        Reason.UPDATE: "",
        Reason.ANSWERED: answers(story),
        Reason.RAISED: _raised(story),
        Reason.REPEAT: still_open(story),
        Reason.REOPENED: AGAIN,
        Reason.ESCALATED: "; ".join(part for part in (still_open(story), told_before(story)) if part),
    }
    if story.reason not in lead:
        return ""
    held_by = f"held until now {held_because(story.held_by, story.held_ref)}" if story.held_by else ""
    return "; ".join(part for part in (lead[story.reason], more(story), held_by) if part)


def more(story: Story) -> str:
    """ "412 more in 9 min: 380 in invoice.paid, 32 in charge.refunded; EUR 18,420.00 affected" """
    since = story.since
    if not since.number:
        return ""
    counts = [f"{number:,} in {shorten(kind, TYPE)}" for kind, number in since.types]
    rest = since.number - sum(number for _, number in since.types)
    if counts and rest:
        counts.append(f"{rest:,} in others")
    types = f": {', '.join(counts)}" if len(counts) > 1 else ""
    affected = f"; {money(story, since.money)} affected" if sums(since.money) else ""
    return f"{just_more(story)}{types}{affected}"


def just_more(story: Story) -> str:
    """ "412 more in 9 min" """
    return f"{story.since.number:,} more" + (f" in {about(story.now - story.told_at)}" if story.told_at else "")


def just_more_or_why(story: Story) -> str:
    """ "412 more in 9 min"; without more failures, the reason: "reminder, still open" """
    if story.reason is Reason.ANSWERED:
        return answers(story)
    return just_more(story) if story.since.number else because(story)


def answers(story: Story) -> str:
    """ "Ana acknowledged it by SMS, until 03:10 UTC" """
    return shorten("; ".join(story.answers[-ANSWERS:]) or because(story), TITLE * 2)


def over(story: Story) -> str:
    """ "All 413 events are processed (409 by retry, 4 replayed). EUR 18,420.00 and USD 310.00 recovered." """
    totals, done = story.totals, story.totals.recovered_events
    recovered = f" {money(story, totals.recovered)} recovered." if sums(totals.recovered) else ""
    if not story.about_events:
        return f"{_ended(story)}.{recovered}"
    if done == totals.events:
        which = "Its event is" if done == 1 else f"All {done:,} events are"
        return f"{which} {done_with(story)} ({ways(story)}).{recovered}"
    if story.after_commit:
        return f"{_ended(story)}.{recovered}"
    some = f"; {done:,} {done_with(story)} ({ways(story)})" if done else ""
    missing = f"{_unprocessed(totals.events - done, totals.events)}{some}"
    at_risk = f" {money(story, totals.at_risk)} not recovered." if sums(totals.at_risk) else ""
    not_known = f" {unknown(story).capitalize()}." if totals.unknown else ""
    return f"{_ended(story)}, but {missing}.{recovered}{at_risk}{not_known}"


def still_open(story: Story) -> str:
    """ "Still open after 2 h, not acknowledged" """
    age = f"Still open after {about(story.now - began(story))}"
    if story.acknowledged_until and story.acknowledged_until <= story.now:
        return f"{age}; {_no_longer(story)}"
    return age if _had_it(story) else f"{age}, not acknowledged"


def told_before(story: Story) -> str:
    """ "told before: oncall 02:10 UTC, slack 02:10 UTC" """
    told = [f"{shorten(name, NAME)} {clock(at, story.now, story.tz)}" for name, at in story.turn.told]
    return f"told before: {', '.join(told)}" if told else ""


def _unanswered(story: Story) -> str:
    if story.turn.asks_each:
        why = "not everybody who was asked has acknowledged it"
    elif story.acknowledged_until and story.acknowledged_until > story.now:
        why = "it got worse since it was acknowledged"
    else:
        why = "its acknowledgement ended" if _had_it(story) else "nobody has acknowledged it"
    return f"{why}, {story.turn.place}" if story.turn.place else why


def _raised(story: Story) -> str:
    before = f"from {story.told_severity.label} " if story.told_severity else ""
    return f"Raised {before}to {story.severity.label}"


def _unprocessed(number: int, events: int) -> str:
    """ "13 of 413 events are not processed" """
    if number == events:
        return "its event is not processed" if events == 1 else f"none of its {events:,} events is processed"
    return f"{number:,} of {counted(events, 'event')} {'is' if number == 1 else 'are'} not processed"


def _ended(story: Story) -> str:
    if story.forgotten:
        return f"{capitalised(story.resolved_how)} without news: nobody said it was fixed, and it is no longer followed"
    if story.resolved_how == "by itself: quiet":
        return "It is over: nothing more was heard of it"
    how = f" ({shorten(story.resolved_how, NAME)})" if story.resolved_how else ""
    return f"It is over{how}"


def _had_it(story: Story) -> bool:
    return story.acknowledged_until is not None or story.held_by == HeldBy.ACKNOWLEDGED


def _no_longer(story: Story) -> str:
    by = f" by {shorten(story.acknowledged_by, NAME)}" if story.acknowledged_by else ""
    ended = clock(story.acknowledged_until, story.now, story.tz) if story.acknowledged_until else ""
    return f"its acknowledgement{by} ended {ended}".rstrip()


def footer(story: Story) -> tuple[str, ...]:
    """Why this was sent here, what was held by what, who has acknowledged the alert, and when more will follow."""
    update = story.next_update_at
    silenced = None if story.resolved_at else story.silenced_until
    route = f' (route "{shorten(story.route, NAME)}")' if story.route else ""
    lines = (
        f"Sent because: {because(story)}{route}",
        held(story),
        f"Sent here instead of {shorten(story.instead_of, TITLE)}" if story.instead_of else "",
        who_has_it(story),
        f"Silenced until {clock(silenced, story.now, story.tz)}" if silenced else "",
        f"Next update {clock(update, story.now, story.tz)} at the earliest" if update else "",
        "" if any(link.text.endswith(f" {story.id}") for link in story.links) else f"Alert {story.id}",
        f"Reference {story.reference}" if story.reference else "",
    )
    return tuple(line for line in lines if line)


def because(story: Story) -> str:
    if story.reason is Reason.RAISED:
        return (
            f"it got worse, from {story.told_severity.label} to {story.severity.label}"
            if story.told_severity
            else "it got worse"
        )
    if story.reason is Reason.FIRST:
        return "first message about it" if story.count > 1 else "first failure" if story.event_type else "first time"
    return {
        Reason.UPDATE: "more failures since the last message",
        Reason.REPEAT: "reminder, still open",
        Reason.ANSWERED: "somebody answered",
        Reason.REOPENED: "failing again",
        Reason.ESCALATED: _unanswered(story),
        Reason.RESOLVED: "it is no longer followed" if story.forgotten else "it is over",
    }.get(story.reason, "test")


def held(story: Story) -> str:
    """ "Held for 7 h 12 min (since Sat 21 Nov 22:48 CET) by silence 3: 412 failures are counted here" """
    if not story.held_by:
        return ""
    span = ""
    if story.held_since:
        since = clock(story.held_since, story.now, story.tz)
        span = f" for {about(story.now - story.held_since)} (since {since})"
    name = f"Held{span} {held_because(story.held_by, story.held_ref)}"
    number = story.since.number if story.told_at else story.count
    times = counted(number, "failure" if story.about_events else "time")
    return f"{name}: {times} counted here" if number and not story.resolved_at else name


def held_because(held_by: str, ref: str) -> str:
    """Why a message was held, for people: "because alert 7, which explains it, was open"."""
    by = HeldBy(held_by)
    words = {
        HeldBy.INHIBITED: f"because alert {ref}, which explains it, was open",
        HeldBy.QUIET_HOURS: f'by the quiet hours "{ref}"',
        HeldBy.ACKNOWLEDGED: "because it was acknowledged",
        HeldBy.BUDGET: "because the day's budget was spent",
        HeldBy.DIVERTED: f"because others were told instead ({ref})",
    }
    return shorten(words.get(by, f"by {by.words(ref)}"), TITLE)


def who_has_it(story: Story) -> str:
    if story.resolved_at:
        return ""
    if story.acknowledged_until and story.acknowledged_until > story.now:
        by = f" by {shorten(story.acknowledged_by, NAME)}" if story.acknowledged_by else ""
        return f"Acknowledged{by} until {clock(story.acknowledged_until, story.now, story.tz)}"
    if story.reason not in (Reason.UPDATE, Reason.RAISED, Reason.REOPENED, Reason.ANSWERED):
        return ""  # a first message does not say so, and a reminder has just said it
    if story.acknowledged_until:
        return capitalised(_no_longer(story))
    return "" if _had_it(story) else "Nobody has acknowledged it"
