"""Every sentence of an alert's messages, in every combination of why it is sent, what held it and who has it.

`WRITE_GOLDEN=1 pytest tests/notifier/test_golden.py` writes them to messages.txt, which is there to be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from notifier.channels import blocks
from notifier.facts import HeldBy, Message, Reason, Severity
from notifier.judge import builtin
from notifier.messages import news
from notifier.messages.render import fold, render, render_test
from notifier.messages.telling import Since, Story, Totals, Turn
from tests.notifier.test_render import DEAD, FIRST, LATE, OVER, STORM, at

FILE = Path(__file__).with_name("messages.txt")
HOUR = timedelta(hours=1)

HOLDS = (
    ("", ""),
    (HeldBy.INHIBITED, "7"),
    (HeldBy.SILENCE, "3"),
    (HeldBy.ACKNOWLEDGED, ""),
    (HeldBy.QUIET_HOURS, "night"),
    (HeldBy.BUDGET, ""),
    (HeldBy.DIVERTED, "could not be delivered"),
    (HeldBy.DIVERTED, "set aside: token_revoked: Slack does not accept the bot's token; install the app again"),
)
STEP = Turn("step 1 of 2", more=True, told=(("oncall", at(13, 2)), ("slack", at(13, 2))))
STORIES: dict[Reason, Story] = {
    Reason.FIRST: FIRST,
    Reason.UPDATE: STORM,
    Reason.RAISED: replace(STORM, reason=Reason.RAISED, told_severity=Severity.ERROR),
    Reason.REPEAT: replace(STORM, reason=Reason.REPEAT, since=Since()),
    Reason.REOPENED: replace(STORM, reason=Reason.REOPENED),
    Reason.ESCALATED: replace(FIRST, reason=Reason.ESCALATED, now=at(13, 12), turn=STEP),
    Reason.RESOLVED: OVER,
    Reason.TEST: replace(FIRST, reason=Reason.TEST),
}
HAS_IT: dict[str, dict[str, Any]] = {
    "nobody has it": {},
    "ada has it": {"acknowledged_by": "ada", "acknowledged_until": at(15)},
    "ada had it": {"acknowledged_by": "ada", "acknowledged_until": at(13, 5)},
    "somebody had it": {"acknowledged_until": at(13, 5)},
}
WHOLE: dict[str, Story] = {
    "first": FIRST,
    "update": STORM,
    "resolved": OVER,
    "resolved, not all processed": replace(
        OVER,
        resolved_how="by ada",
        totals=replace(OVER.totals, recovered_by=(("retry", 400),), at_risk=FIRST.totals.at_risk),
    ),
    "forgotten": replace(
        STORM,
        reason=Reason.RESOLVED,
        now=at(13, 11) + timedelta(days=30),
        resolved_at=at(13, 11) + timedelta(days=30),
        resolved_how="forgotten after 30 days",
        since=Since(),
        next_update_at=None,
    ),
    "given up": DEAD,
    "test mode": replace(STORM, livemode=False),
    "test mode, resolved": replace(OVER, livemode=False),
    "after the commit": replace(FIRST, after_commit=True, will_retry=False),
    "the site's own": LATE,
    "the site's own, quiet": replace(
        LATE, reason=Reason.RESOLVED, now=at(15), resolved_at=at(15), resolved_how="by itself: quiet", totals=Totals()
    ),
    "escalated": replace(FIRST, reason=Reason.ESCALATED, now=at(13, 12), turn=STEP),
    "escalated, told before": replace(
        STORM, reason=Reason.ESCALATED, now=at(13, 42), turn=replace(STEP, place="the first page, round 2 of 3")
    ),
    "escalated, not everybody has answered": replace(
        FIRST,
        reason=Reason.ESCALATED,
        now=at(13, 27),
        acknowledged_by="ada",
        acknowledged_until=at(15),
        turn=replace(STEP, place="step 2 of 2", asks_each=True),
    ),
    "escalated to the last resort": replace(
        FIRST, reason=Reason.ESCALATED, now=at(14, 12), turn=replace(STEP, place="the last resort")
    ),
    "instead of another": replace(FIRST, instead_of="oncall (+49…42): could not be delivered"),
    "possible repeat": replace(FIRST, possible_repeat=True),
}


def everything() -> str:
    return "\n".join([*_whole(), *_lists(), *_combinations(), *_builtin(), ""])


def _whole() -> Iterator[str]:
    for name, story in WHOLE.items():
        yield from _all_forms(name, render(story, html=False))
    yield from _all_forms("send_test", render_test("channel slack", at(13), "Europe/Berlin", reference="ab12cd34"))


def _lists() -> Iterator[str]:
    low = replace(FIRST, id=7, severity=Severity.WARNING, event_type="payout.failed")
    yield from _all_forms("a list", fold([STORM, low, replace(OVER, id=9)], html=False))
    yield from _all_forms("a list that changed", fold([STORM, low], changed=[low], thread="x", html=False))
    yield from _all_forms("a list that is over", fold([OVER, replace(OVER, id=9)], html=False))
    yield from _all_forms("a list with test mode", fold([STORM, replace(low, livemode=False)], html=False))


def _all_forms(name: str, message: Message) -> Iterator[str]:
    yield f"\n=== {name}"
    yield f"subject: {message.subject}"
    yield message.text.rstrip()
    yield f"sms: {message.short}"
    for block in (*blocks.card(message), {"type": "divider"}, *blocks.news(message)):
        parts = [block["text"]["text"]] if "text" in block else [one["text"] for one in block.get("elements", ())]
        yield from (f"slack: {line}" for part in parts or ["---"] for line in part.split("\n"))


def _combinations() -> Iterator[str]:
    for reason, story in STORIES.items():
        for held, ref in HOLDS:
            for who, changes in HAS_IT.items():
                since = story.now - HOUR if held else None
                told = replace(story, held_by=held, held_ref=ref, held_since=since, **changes)
                yield f"\n=== {reason}, {HeldBy(held).words(ref) if held else 'held by nothing'}, {who}"
                yield f"news: {news.latest(told)}"
                yield from news.footer(told)[:-1]
                yield f"sms: {render(told, html=False).short}"


def _builtin() -> Iterator[str]:
    yield "\n=== what the built-in rules say"
    for words in builtin.WORDS.values():
        yield f"{words.title.format(exc='KeyError', service='crm.example')}: {words.hint}"
