"""What somebody wrote by SMS, done: each statement by the door, all of a message in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from alerts_runtime.redaction.loggers import get_logger
from notifier.answers import who
from notifier.answers.commands import Asker, Command
from notifier.answers.door import answer, lock
from notifier.answers.duty import on_call
from notifier.answers.sms_words import Kind, Statement, read
from notifier.channels.gsm7 import gsm7
from notifier.config.conf import get_policy
from notifier.flow import heard
from notifier.messages.answered import how_it_stands
from notifier.messages.phrases import TITLE
from notifier.messages.sms_text import clip
from notifier.messages.wording import shorten
from notifier.models import Notification
from notifier.outbox import codes, opted_out

log = get_logger(__name__)

ERRORS, WITHIN = 5, timedelta(hours=1)  # so often a number hears that it was not understood: it may be a machine
LENGTH = 300  # septets: two segments
HELP = (
    "1a: I have alert 1. 1c: it is over. 1s 2h: silence it. 1e: next person. 1r: replay. "
    "all: I have all. oncall: who is on call."
)
NOT_UNDERSTOOD = f"Not understood, nothing was done. {HELP}"


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    understood: bool = True


def hear(key: str, sender: str, text: str, now: datetime, *, opted: str = "") -> str:
    """Do what a message says and give what to answer, or "". The same `key` again does nothing and has that answer.

    `sender` is in E.164; `opted` is Twilio's own word on it: STOP, START or HELP.
    """
    with transaction.atomic():
        row, new = heard.begin(key, sender, now)
        if not new:
            return row.answer
        reply = _reply(sender, text, now, opted.upper())
        if not reply.understood and heard.not_understood(sender, now - WITHIN) >= ERRORS:
            reply = Reply("", understood=False)
        said = clip(gsm7(reply.text), LENGTH)
        heard.end(row, said, understood=reply.understood)
    return said


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
    if kind is Kind.ONCALL:
        return Reply(on_call(get_policy(), now))
    if kind is Kind.UNKNOWN:
        return Reply(NOT_UNDERSTOOD, understood=False)
    return _do(asked.statements, Asker(person, "sms", sender), now)


def _do(statements: Sequence[Statement], asker: Asker, now: datetime) -> Reply:
    meant = [(one, *_meant(one, asker.address)) for one in statements]
    lock(row.alert_id for _, rows, _ in meant for row in rows)
    said = []
    for statement, rows, wrong in meant:
        for row in rows:
            if statement.verb is None:
                said.append(how_it_stands(row.alert, now, get_policy().tz))
            else:
                said.append(answer(Command(statement.verb, row.alert_id, statement.duration), asker, now).sentence)
        said += [wrong] if wrong else []
    return Reply(" ".join(said), understood=any(rows for _, rows, _ in meant))


def _meant(statement: Statement, address: str) -> tuple[list[Notification], str]:
    """Which alerts a statement is about, and what is wrong with it. A number means only what was sent with it."""
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
