"""What each verb does to an alert. Each runs in the door's transaction, with the alert's row locked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.answers import order
from notifier.answers.commands import Asker, Command, Verb
from notifier.config.conf import get_policy
from notifier.facts import storable
from notifier.flow import handover_tests, ignores, pipeline, rehearsals, replays, silences
from notifier.flow import never_again as events
from notifier.judge.durations import human
from notifier.judge.policy import Policy
from notifier.messages import answered
from notifier.messages.wording import clock, counted
from notifier.models import Alert, Occurrence

LONGEST = timedelta(days=30)  # of an acknowledgement or a silence by an answer; those of the admin may be longer
SILENCE = timedelta(hours=1)
SAME = timedelta(minutes=1)  # two ends that differ by less are the same request, sent twice


@dataclass(frozen=True, slots=True)
class Done:
    """What an effect did. `refused`: why it did nothing; empty when it did something."""

    refused: str = ""
    until: datetime | None = None
    detail: str = ""


Effect = Callable[[Alert, Command, Asker, datetime], Done]
_effects: dict[Verb, Effect] = {}


def register(verb: Verb, effect: Effect) -> None:
    """Say what a verb does."""
    _effects[verb] = effect


def of(verb: Verb) -> Effect | None:
    return _effects.get(verb)


def beforehand(command: Command, asker: Asker, now: datetime) -> Done | None:
    """What takes seconds and changes nothing, done before the alert is locked; None: nothing of that kind is asked."""
    if command.verb is not Verb.REHEARSE:
        return None
    alert = Alert.objects.filter(pk=command.alert_id).first()
    return rehearse(alert, command, asker, now) if alert else None


def acknowledge(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    policy = get_policy()
    if alert.resolved_at is not None:
        return _over(alert, now, policy)
    if handover_tests.is_one(alert):
        handover_tests.answer(alert, storable(asker.person, 150), policy, now)
        return Done()
    if wrong := _wrong_duration(command.duration):
        return Done(wrong)
    if overtaken := order.overtaken(alert, asker, now):
        return Done(f"Alert {alert.pk}: {overtaken}")
    until = now + (command.duration or policy.acknowledge_for)
    if _is_acknowledged(alert, now):
        found = alert.acknowledged_until or now
        if pipeline.asks(alert, asker.person, asker.address, now):
            return Done(until=found)  # a step asks each of its recipients: the door writes this one down too
        if command.duration is None or abs(found - until) <= SAME:
            return Done(f"Alert {alert.pk}: {answered.already(_acknowledgement(alert), now, policy.tz)}.")
    pipeline.acknowledge(alert, storable(asker.person, 150), now, until)
    return Done(until=until)


def take_back(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    policy = get_policy()
    if alert.resolved_at is not None:
        return _over(alert, now, policy)
    if alert.acknowledged_until is None or alert.acknowledged_until <= now:
        return Done(f"Alert {alert.pk}: nobody has acknowledged it.")
    if asker.at and alert.acknowledged_at and alert.acknowledged_at > asker.at:
        # It was asked before the present acknowledgement, and came late.
        return Done(f"Alert {alert.pk}: {answered.already(_acknowledgement(alert), now, policy.tz)}.")
    pipeline.take_back(alert, now)
    return Done()


def resolve(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    reopened = asker.at is not None and alert.opened_at > asker.at and alert.resolved_at is None
    if reopened and not order.insists(alert, command.verb, asker, now):
        return Done(f"Alert {alert.pk}: it has failed again since then, and is open.")
    if handover_tests.is_one(alert) and alert.resolved_at is None:
        handover_tests.answer(alert, storable(asker.person, 150), get_policy(), now)
        return Done()
    if not pipeline.resolve(alert, f"by {storable(asker.person, 150)}", now):
        return _over(alert, now, get_policy())
    return Done()


def silence(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    policy = get_policy()
    if wrong := _wrong_duration(command.duration):
        return Done(wrong)
    until = now + (command.duration or SILENCE)
    match = {"fingerprint": alert.fingerprint}  # this kind as it is counted, and no other
    found = next((row for row in silences.of_match(match, now) if row.ends_at >= until - SAME), None)
    if found is not None:
        end = clock(found.ends_at, now, policy.tz)
        by = f" by {found.author}" if found.author else ""
        return Done(f"Alert {alert.pk}: its kind is silenced{by} already, until {end} (silence {found.pk}).")
    comment = command.text or f"alert {alert.pk}: {alert.headline}"
    row = silences.silence(match, until=until, author=storable(asker.person, 150), comment=comment, now=now)
    return Done(until=until, detail=f"silence {row.pk}")


def unsilence(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    """End what `silence` began, whoever did. A wider silence is of other alerts too, and stays."""
    ended = [row for row in silences.of_match({"fingerprint": alert.fingerprint}, now) if row.ends_at > now]
    for row in ended:
        silences.end(row, now)
    if ended:
        return Done(detail=", ".join(f"silence {row.pk}" for row in ended))
    return Done(f"Alert {alert.pk}: no silence is of its kind alone. Wider ones end in the admin, or on their page.")


def replay(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    ids = _waiting(alert)
    if not ids:
        return Done(f"Alert {alert.pk}: it has no event that waits to be processed.")
    found = replays.replay(ids, now)
    if not found.again + found.hurried:
        return Done(f"Alert {alert.pk}: nothing to replay; its events are being processed, or have been.")
    more = "; there are more, so replay again" if len(ids) > replays.MOST else ""
    return Done(detail=f"{counted(found.again + found.hurried, 'event')}{more}")


def escalate(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    if alert.resolved_at is not None:
        return _over(alert, now, get_policy())
    level = pipeline.escalate(alert, now)
    if level is None:
        return Done(f"Alert {alert.pk}: no step of escalation is left.")
    return Done(detail=f"to {', '.join(level.to) or 'the last resort'}")


def rehearse(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    ids = _waiting(alert)
    if not ids:
        return Done(f"Alert {alert.pk}: it has no event that waits to be processed.")
    said = rehearsals.rehearse(ids)
    return Done(detail=said.removesuffix(".")) if said else Done(f"Alert {alert.pk}: its events cannot be rehearsed.")


def test(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    return Done()


def ignore(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    row, is_new = ignores.ignore(alert, author=asker.person, now=now, comment=command.text)
    until = ignores.until(row)
    if is_new:
        return Done(detail=until)
    by = f" by {row.author}" if row.author else ""
    return Done(f"Alert {alert.pk}: its kind is ignored{by} already, {until}.")


def comment(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    return Done() if command.text.strip() else Done("A comment needs words.")


def never_again(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    if not command.text.strip():
        return Done("Say why: whoever looks next wants to know.")
    if not alert.occurrences.filter(event_id=command.event_id).exists():
        return Done(f"Alert {alert.pk}: {storable(command.event_id, 60)} is none of its events.")
    if not events.drop(command.event_id, storable(asker.person, 150), now):
        return Done(f"{command.event_id} is processed, or is being processed, or is never run again already.")
    return Done(detail=command.event_id)


def run_again(alert: Alert, command: Command, asker: Asker, now: datetime) -> Done:
    if not events.pick_up(command.event_id):
        return Done(f"{storable(command.event_id, 60)}: nobody has said that it is never run again.")
    return Done(detail=command.event_id)


def _waiting(alert: Alert) -> list[str]:
    """The events of an alert that are still to be processed, and one more than can be replayed at once."""
    waiting = Occurrence.objects.filter(alert=alert, recovered_at__isnull=True).exclude(event_id="")
    return list(waiting.order_by("event_id").values_list("event_id", flat=True).distinct()[: replays.MOST + 1])


def _over(alert: Alert, now: datetime, policy: Policy) -> Done:
    how = answered.over(alert.resolved_at or now, alert.resolved_how, now, policy.tz)
    return Done(f"Alert {alert.pk}: {how}.")


def _is_acknowledged(alert: Alert, now: datetime) -> bool:
    """Whether somebody has it. Not when it has become worse since."""
    if alert.acknowledged_until is None or alert.acknowledged_until <= now:
        return False
    return alert.acknowledged_severity is None or alert.severity <= alert.acknowledged_severity


def _acknowledgement(alert: Alert) -> answered.Said:
    return answered.Said(
        who=alert.acknowledged_by,
        verb=Verb.ACKNOWLEDGE,
        at=alert.acknowledged_at or alert.opened_at,
        until=alert.acknowledged_until,
    )


def _wrong_duration(duration: timedelta | None) -> str:
    if duration is None or timedelta(0) < duration <= LONGEST:
        return ""
    return f"For how long? More than nothing, and at most {human(LONGEST)}."


for _verb, _effect in {
    Verb.ACKNOWLEDGE: acknowledge,
    Verb.TAKE_BACK: take_back,
    Verb.RESOLVE: resolve,
    Verb.SILENCE: silence,
    Verb.UNSILENCE: unsilence,
    Verb.REPLAY: replay,
    Verb.ESCALATE: escalate,
    Verb.REHEARSE: rehearse,
    Verb.TEST: test,
    Verb.IGNORE: ignore,
    Verb.COMMENT: comment,
    Verb.NEVER_AGAIN: never_again,
    Verb.RUN_AGAIN: run_again,
}.items():
    register(_verb, _effect)
