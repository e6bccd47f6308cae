"""Writes to an alert's log which steps were taken, wait, or did not happen, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alerts_runtime.redaction.loggers import get_logger
from notifier.alerts.log import append
from notifier.facts import Verb
from notifier.judge.escalation import Level, Taken, place
from notifier.judge.policy import Route
from notifier.models import Alert

log = get_logger(__name__)


def taken(alert: Alert, one: Taken, route: Route, now: datetime, *, asks_each: bool = False) -> None:
    """ "Escalated, step 1 of 2: oncall2 is told" """
    level = one.level
    to = ", ".join(level.to)
    which = _capitalised(place(route.levels, level))
    if one.nobody:
        _write(alert, f"{which} reaches nobody, so the next one comes at once ({one.nobody})", route, now)
        return
    unanswered = "Not everybody who was asked has acknowledged it" if asks_each else "Nobody has acknowledged it"
    if level.last_resort:
        others = f", and {to}" if to else ""
        _write(alert, f"{unanswered}: the last resort is told (the log, ADMINS){others}", route, now)
    else:
        _write(alert, f"{unanswered}: {place(route.levels, level)} is told ({to})", route, now)


def waits(alert: Alert, level: Level | None, why: str, route: Route, now: datetime) -> None:
    """ "Step 1 of 2 waits: acknowledged by ada" """
    if level is not None:
        _write(alert, f"{_capitalised(place(route.levels, level))} waits: {why}", route, now)


def left_out(alert: Alert, levels: Sequence[Level], why: str, route: Route, now: datetime) -> None:
    """ "Did not happen, since it is over: step 2 of 2 (lead, slack); the last resort" """
    if not levels:
        return
    named = "; ".join(place(route.levels, one) + (f" ({', '.join(one.to)})" if one.to else "") for one in levels)
    _write(alert, f"Did not happen, since {why}: {named}", route, now)


def _write(alert: Alert, what: str, route: Route, now: datetime) -> None:
    append(alert, Verb.STEP, now, through="route", outcome=route.name, detail=what)
    log.info("escalation.logged", alert=alert.pk, route=route.name, what=what)


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
