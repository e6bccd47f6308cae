"""The worker's loop for what people ask in Slack: each is done once, or within STALE not at all, and answered."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from alerts_runtime.background import LONGEST_WAIT, Loop
from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups.wake import wake
from notifier.answers import slack, slack_home, slack_reply, slack_signed
from notifier.answers.slack_asked import Asked
from notifier.flow import heard

log = get_logger(__name__)

TOPIC = "answers"
STALE = timedelta(minutes=10)  # what was asked longer ago is not done any more
TRIES = 4
FAILED = "That could not be done, for a reason that the log has. Try again, or use `manage.py ack`."
TOO_LATE = "No worker ran when you asked, and now it is too late: nothing was done. Try again."


def keep(asked: Asked, now: datetime) -> bool:
    """Keep what was asked until a worker does it; False when it was kept before."""
    kept = heard.keep(asked.key, f"{asked.team} {asked.user}", asked.as_json(), now)
    if kept:
        wake(TOPIC)
    return kept


def loops() -> list[Loop]:
    return [Loop(TOPIC, step)]


def step() -> float:
    """Do the oldest that waits; returns the seconds until the next look."""
    if not slack_signed.is_enabled():
        return LONGEST_WAIT
    now = clock.now()
    found = _do_next(now) if heard.is_any_due(now) else None
    if found is None:
        return LONGEST_WAIT
    asked, said = found
    if asked.home:
        slack_home.publish(asked, said)
    if said and asked.response_url:
        slack_reply.send(asked.response_url, said)  # after the commit: if it fails, what was done stays done
    return 0.0


def _do_next(now: datetime) -> tuple[Asked, str] | None:
    pk, asked = 0, None
    try:
        with transaction.atomic():
            row = heard.next_due(now)
            if row is None:
                return None
            pk, asked = row.pk, Asked(**row.asked)
            said = TOO_LATE if now - row.at > STALE else slack.do(asked, now)
            heard.done(row, said)
            return asked, said
    except Exception:
        if not pk or asked is None:
            raise
        log.exception("answer.failed")
    with transaction.atomic():
        if heard.put_off(pk, now) < TRIES:
            return asked, ""
        heard.give_up(pk, FAILED)
    return asked, FAILED
