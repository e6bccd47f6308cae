"""Does what somebody wrote by SMS, all of a message in one transaction, and says what is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction

from alerts_runtime.redaction.loggers import get_logger
from notifier.answers import set_up, who
from notifier.answers.commands import Asker, Command, Verb
from notifier.answers.door import answer, lock, lock_silences, test
from notifier.answers.duty import on_call
from notifier.answers.sms_words import Kind, Statement, read
from notifier.channels.gsm7 import gsm7, segments
from notifier.config.conf import get_policy
from notifier.flow import heard
from notifier.judge.durations import human
from notifier.judge.policy import ChannelConfig
from notifier.messages.answered import how_it_stands
from notifier.messages.phrases import TITLE
from notifier.messages.sms_text import clip
from notifier.messages.wording import shorten
from notifier.models import Notification
from notifier.outbox import budget, codes, opted_out

log = get_logger(__name__)

WITHIN = timedelta(hours=1)
ANSWERS = 30  # answers to one number WITHIN
ERRORS = 5  # of them that it was not understood: beyond, it is probably a machine
LENGTH = 300  # septets: two segments
HELP = (
    "1a: I have alert 1. 1c: it is over. 1s 2h: silence it. 1e: next person. 1r: replay. "
    "all: I have all. oncall: who is on call. test: does this arrive?"
)
NOT_UNDERSTOOD = f"Not understood, nothing was done. {HELP}"


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    understood: bool = True


def hear(key: str, sender: str, text: str, now: datetime, *, opted: str = "") -> str:
    """Do what a message says; returns what to answer, or "". The same `key` again does nothing and gives the same.

    `key`: the provider's id of the message. `sender`: its number in E.164. `opted`: what Twilio took it for, STOP,
    START or HELP.
    """
    with transaction.atomic():
        row, new = heard.begin(key, sender, now)
        if not new:
            return row.answer
        reply = _reply(sender, text, now, opted.upper())
        channel = set_up.answers_from(sender)
        said = clip(gsm7(reply.text), LENGTH) if channel and _may_be_said(reply, sender, channel, now) else ""
        if said and channel:
            heard.costs(row, channel.alias, segments(said))
        heard.end(row, said, understood=reply.understood)
    return said


def _may_be_said(reply: Reply, sender: str, channel: ChannelConfig, now: datetime) -> bool:
    """Whether it is answered, within limits, so that two machines do not answer each other for ever.

    What was asked is done either way.
    """
    since = now - WITHIN
    if not reply.understood and heard.not_understood(sender, since) >= ERRORS:
        return False
    if heard.answered(sender, since) >= ANSWERS:
        log.warning("answer.held_back", provider="twilio", reason=f"{ANSWERS} within {human(WITHIN)}")
        return False
    if budget.messages_left(channel, get_policy().tz, now) == 0:
        log.warning("answer.held_back", provider="twilio", reason="budget spent", channel=channel.alias)
        return False
    return True


def _reply(sender: str, text: str, now: datetime, opted: str) -> Reply:
    asked = read(text)
    kind = Kind(opted.lower()) if opted in ("STOP", "START", "HELP") else asked.kind
    if kind in (Kind.STOP, Kind.START):  # the carrier or Twilio answers these words itself
        opted_out.note(sender, now, stopped=kind is Kind.STOP)
        return Reply("")
    person = who.by_number(sender)
    if not person:
        log.warning("answer.of_unknown_number")
        return Reply("")
    if kind is Kind.HELP:
        return Reply("" if opted else HELP)
    if kind is Kind.TEST:
        return Reply(test(Asker(person, "sms", sender)).sentence)
    if kind is Kind.ONCALL:
        return Reply(on_call(get_policy(), now))
    if kind is Kind.UNKNOWN:
        return Reply(NOT_UNDERSTOOD, understood=False)
    return _do(asked.statements, Asker(person, "sms", sender), now)


def _do(statements: Sequence[Statement], asker: Asker, now: datetime) -> Reply:
    meant = [(one, *_meant(one, asker.address)) for one in statements]
    lock_silences([one.verb for one in statements], now)
    lock(row.alert_id for _, rows, _ in meant for row in rows)
    said = []
    for statement, rows, wrong in meant:
        for row in rows:
            if statement.verb is None:
                said.append(how_it_stands(row.alert, now, get_policy().tz))
            else:
                # It ends only if they were told since it was opened last.
                of = replace(asker, at=row.told_at) if statement.verb is Verb.RESOLVE else asker
                said.append(answer(Command(statement.verb, row.alert_id, statement.duration), of, now).sentence)
        said += [wrong] if wrong else []
    return Reply(" ".join(said), understood=any(rows for _, rows, _ in meant))


def _meant(statement: Statement, address: str) -> tuple[list[Notification], str]:
    """Which alerts a statement is about, and what is wrong with it. A code means the alert of that message."""
    if statement.codes:
        found = {code: codes.of(address, code) for code in statement.codes}
        unknown = ", ".join(str(code) for code, row in found.items() if row is None)
        return [row for row in found.values() if row], f"{unknown}: no such number was sent to you." if unknown else ""
    open_rows = codes.open_at(address)
    if not open_rows:
        return [], "Nothing that was sent to you is open."
    if statement.all or len(open_rows) == 1:
        return open_rows, ""
    return [], f"Which one? {_named(open_rows)} Or: all."


def _named(rows: Sequence[Notification]) -> str:
    return " ".join(f"{row.code}: {shorten(row.alert.headline, TITLE)}." for row in rows[:3])
