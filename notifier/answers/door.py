"""Where every answer of a person to an alert is done: by SMS, Slack, link, page or command.

What it does, its entry in the alert's log and the messages that tell others of it are one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from alerts_runtime.redaction.loggers import get_logger
from notifier.answers import effects, log
from notifier.answers.commands import Answer, Asker, Command, Verb
from notifier.config.conf import get_policy
from notifier.flow import each, pipeline, silences
from notifier.messages import answered
from notifier.models import Alert

__all__ = ["Answer", "answer"]

logger = get_logger(__name__)


def lock(alerts: Iterable[int]) -> None:
    """Lock several alerts in one order for everybody: two who answer several must not wait for each other.

    Within a transaction, before what is said of them.
    """
    list(Alert.objects.select_for_update(of=("self",)).filter(pk__in=set(alerts)).order_by("pk").only("pk"))


def lock_silences(verbs: Iterable[Verb | None], now: datetime) -> None:
    """Lock what one of these may end, before any alert is locked: whoever judges a message takes them in that order."""
    if Verb.UNSILENCE in verbs:
        silences.lock(now)


def test(asker: Asker) -> Answer:
    """Prove the way back, about no alert: whoever asks is known by then. Nothing changes."""
    logger.info("answer.tested", through=asker.through)
    return Answer(False, f"The way back works: {asker.person} is known here, and may answer alerts.")


def answer(command: Command, asker: Asker, now: datetime) -> Answer:
    """Do what a person asked for; returns whether anything changed, and a sentence for them. `now` is aware.

    Of two who ask for the same at once one gets it, and the other is told so. Raises what the database raises, and then
    nothing has changed.
    """
    known = effects.beforehand(command, asker, now)
    with transaction.atomic():
        lock_silences([command.verb], now)
        # Whoever counts a failure of the alert, sends about it or ends it takes this lock too.
        alert = Alert.objects.select_for_update(of=("self",)).filter(pk=command.alert_id).first()
        if alert is None:
            return Answer(False, f"There is no alert {command.alert_id}.")
        effect = effects.of(command.verb)
        if effect is None:
            return Answer(False, f"This site has no way to {command.verb}.")
        done = known or effect(alert, command, asker, now)
        outcome = done.refused or answered.done(command.verb, alert.pk, done.until, done.detail, now, get_policy().tz)
        entry = log.write(
            alert,
            command,
            asker,
            now,
            changed=not done.refused,
            outcome=outcome,
            until=done.until,
            detail=done.detail,
            uninvited=each.is_uninvited(alert, asker.person, asker.address, get_policy()),
        )
        if entry.changed and command.verb is Verb.ACKNOWLEDGE:
            pipeline.reconsider(alert, now)  # a step may ask each of its recipients
        if entry.news:
            pipeline.answered(alert, entry.pk, asker.address, now)
    logger.info("answer.given", alert=alert.pk, verb=command.verb, through=asker.through, changed=entry.changed)
    return Answer(entry.changed, outcome)
