"""Counts a failure on its alert, or opens one: the only writer of Occurrence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from django.db import connection

from alerts_runtime.database.fast_sql import create
from notifier.facts import NO_CURRENCY, Failure, Severity, Verdict
from notifier.models import Alert


@dataclass(frozen=True, slots=True)
class Recorded:
    alert_id: int
    seq: int
    severity: Severity  # of the alert, which is as bad as its worst occurrence
    opened: bool  # this occurrence opened the alert
    planned_for: str  # the targets for whom something is planned already (see outbox/plans.py)
    reopened: bool = False  # it was resolved, and this occurrence opened it again
    new: Alert | None = None  # the row, if it was opened now
    ignored: int | None = None  # the id of the Ignored row of its kind, if any


class AlreadyCountedError(Exception):
    """This failure was counted before. The caller has to roll back."""


def record(
    failure: Failure,
    verdict: Verdict,
    *,
    quiet_period: timedelta,
    resolve_after: timedelta | None = None,
    planned_for: str = "",
) -> Recorded:
    """Count a failure on its alert. Within the caller's transaction. `planned_for` is for a new alert.

    An alert that was resolved less than `quiet_period` ago opens again, so that a flapping trouble stays one alert.

    Raises AlreadyCountedError when this failure was counted before, and IntegrityError when another worker opened the
    same alert at the same moment: then the caller tries again.
    """
    recorded = _count(failure, verdict, quiet_period) or _open(failure, verdict, resolve_after, planned_for)
    _remember(failure, recorded)
    return recorded


def _count(failure: Failure, verdict: Verdict, quiet_period: timedelta) -> Recorded | None:
    """Count a failure on its alert; None if there is none. One UPDATE … RETURNING, so that numbers are unique."""
    at = connection.ops.adapt_datetimefield_value
    when = failure.occurred_at
    with connection.cursor() as cursor:
        cursor.execute(
            _counting(connection.vendor),
            {
                "severity": int(verdict.severity),
                "when": at(when),
                "quiet_since": at(when - quiet_period),
                "transient": verdict.transient,
                "title": verdict.title[:200],
                "hint": verdict.hint,
                "rule": verdict.rule[:100],
                "message": failure.message,
                "amount": failure.money.amount if failure.money else None,
                "currency": failure.money.currency if failure.money else "",
                "counted_as": next(iter(_amounts_of(failure)), ""),
                "attempt": failure.attempt,
                "max_attempts": failure.max_attempts,
                "will_retry": failure.will_retry,
                "next_attempt_at": at(failure.next_attempt_at),
                "gives_up_at": at(failure.gives_up_at),
                "fingerprint": verdict.fingerprint,
            },
        )
        rows = cursor.fetchall()
    if not rows:
        return None
    alert_id, seq, severity, planned_for, ignored = rows[0]
    reopened = planned_for == REOPENED
    return Recorded(alert_id, seq, Severity(severity), False, planned_for, reopened, ignored=ignored)


REOPENED = "reopened"  # `planned_for` of a reopened alert until it is planned anew
# Title, hint and message of an alert from `alert()` or a watch follow its latest call, as they may contain numbers.
# An alert that is reopened forgets its severity, its acknowledgement and its parent.
_COUNT = f"""
    UPDATE swa_notifier_alert SET
        count = count + 1,
        severity = CASE WHEN resolved_at IS NULL AND severity >= %(severity)s THEN severity ELSE %(severity)s END,
        transient = CASE WHEN resolved_at IS NULL THEN transient ELSE %(transient)s END,
        title = CASE WHEN resolved_at IS NULL AND source = 'webhook' THEN title ELSE %(title)s END,
        hint = CASE WHEN resolved_at IS NULL AND source = 'webhook' THEN hint ELSE %(hint)s END,
        message = CASE WHEN source = 'webhook' THEN message ELSE %(message)s END,
        rule = CASE WHEN resolved_at IS NULL THEN rule ELSE %(rule)s END,
        acknowledged_at = CASE WHEN resolved_at IS NULL THEN acknowledged_at END,
        acknowledged_until = CASE WHEN resolved_at IS NULL THEN acknowledged_until END,
        acknowledged_by = CASE WHEN resolved_at IS NULL THEN acknowledged_by ELSE '' END,
        acknowledged_severity = CASE WHEN resolved_at IS NULL THEN acknowledged_severity END,
        inhibited_by_id = CASE WHEN resolved_at IS NULL THEN inhibited_by_id END,
        storm_since = CASE WHEN last_at < %(quiet_since)s THEN %(when)s ELSE storm_since END,
        last_at = CASE WHEN last_at < %(when)s THEN %(when)s ELSE last_at END,
        opened_at = CASE WHEN resolved_at IS NULL THEN opened_at ELSE %(when)s END,
        planned_for = CASE WHEN resolved_at IS NULL THEN planned_for ELSE '{REOPENED}' END,
        resolved_at = NULL, resolved_how = '',
        amounts = CASE WHEN %(counted_as)s = '' THEN <known> ELSE <amounts> END,
        amount = CASE WHEN resolved_at IS NULL AND amount IS NOT NULL
                           AND (currency <> %(currency)s OR amount >= COALESCE(%(amount)s, 0)) THEN amount
                      ELSE %(amount)s END,
        currency = CASE WHEN resolved_at IS NULL AND amount IS NOT NULL THEN currency ELSE %(currency)s END,
        attempt = %(attempt)s, max_attempts = %(max_attempts)s, will_retry = %(will_retry)s,
        next_attempt_at = %(next_attempt_at)s, gives_up_at = %(gives_up_at)s
    WHERE id = (
        SELECT id FROM swa_notifier_alert
        WHERE fingerprint = %(fingerprint)s AND (resolved_at IS NULL OR resolved_at > %(quiet_since)s)
        ORDER BY resolved_at IS NOT NULL, resolved_at DESC LIMIT 1
    )
    RETURNING id, count, severity, planned_for, ignored_id
"""  # noqa: S608 - the constant above
# The largest amount of each currency: amounts in different ones cannot be compared.
_KNOWN = "CASE WHEN resolved_at IS NULL THEN amounts ELSE '{}' END"
_AMOUNTS = {
    "sqlite": """json_set(<known>, '$."' || %(counted_as)s || '"', MAX(
        %(amount)s, COALESCE(json_extract(<known>, '$."' || %(counted_as)s || '"'), %(amount)s)))""",
    "postgresql": """<known> || jsonb_build_object(CAST(%(counted_as)s AS text), GREATEST(
        CAST(%(amount)s AS bigint), CAST((<known>) ->> CAST(%(counted_as)s AS text) AS bigint)))""",
}


@cache
def _counting(vendor: str) -> str:
    return _COUNT.replace("<amounts>", _AMOUNTS[vendor]).replace("<known>", f"({_KNOWN})")


def _amounts_of(failure: Failure) -> dict[str, int]:
    money = failure.money
    return {money.currency: money.amount} if money is not None and money.currency.isalpha() else {}


def _open(failure: Failure, verdict: Verdict, resolve_after: timedelta | None, planned_for: str) -> Recorded:
    frame = failure.frame
    alert = Alert(
        fingerprint=verdict.fingerprint,
        source=failure.source,
        severity=verdict.severity,
        category=verdict.category,
        transient=verdict.transient,
        title=verdict.title[:200],
        hint=verdict.hint,
        rule=verdict.rule[:100],
        event_type=failure.event_type,
        endpoint=failure.endpoint,
        account=failure.account,
        livemode=failure.livemode,
        exceptions=list(failure.exceptions),
        message=failure.message,
        frame={"file": frame.file, "line": frame.line, "module": frame.module, "function": frame.function}
        if frame
        else {},
        traceback=failure.traceback,
        context=dict(failure.context),
        after_commit=failure.after_commit,
        amounts=_amounts_of(failure),
        amount=failure.money.amount if failure.money else None,
        currency=failure.money.currency if failure.money else "",
        attempt=failure.attempt,
        max_attempts=failure.max_attempts,
        will_retry=failure.will_retry,
        next_attempt_at=failure.next_attempt_at,
        gives_up_at=failure.gives_up_at,
        count=1,
        opened_at=failure.occurred_at,
        last_at=failure.occurred_at,
        storm_since=failure.occurred_at,
        resolve_after=resolve_after,
        planned_for=planned_for,
    )
    (alert.ignored_id,) = create(alert, also=_IGNORED)
    if alert.ignored_id is not None:
        Alert.objects.filter(pk=alert.pk).update(ignored=alert.ignored_id)
    return Recorded(alert.pk, 1, verdict.severity, opened=True, planned_for="", new=alert, ignored=alert.ignored_id)


# Whether its kind is ignored, read by the INSERT itself, to save a query.
_IGNORED = """(SELECT id FROM swa_notifier_ignored ignored
    WHERE ignored.fingerprint = swa_notifier_alert.fingerprint AND ignored.ended_at IS NULL)"""


def _remember(failure: Failure, recorded: Recorded) -> None:
    """Store the occurrence. As SQL, like `_count`: in a storm a failure needs only these two statements."""
    with connection.cursor() as cursor:
        cursor.execute(
            _REMEMBER,
            {
                "alert_id": recorded.alert_id,
                "seq": recorded.seq,
                "key": failure.key,
                "event_id": failure.event_id,
                "event_type": failure.event_type,
                "object_id": failure.object_id,
                "customer": failure.customer,
                "amount": failure.money.amount if failure.money else None,
                "currency": failure.money.currency if failure.money else NO_CURRENCY * failure.amount_unknown,
                "attempt": failure.attempt,
                "after_commit": failure.after_commit,
                "dead": bool(failure.event_id) and not failure.will_retry and not failure.after_commit,
                "occurred_at": connection.ops.adapt_datetimefield_value(failure.occurred_at),
            },
        )
        if not cursor.rowcount:
            raise AlreadyCountedError


_REMEMBER = """
    INSERT INTO swa_notifier_occurrence
        (alert_id, seq, key, event_id, event_type, object_id, customer, amount, currency, attempt, after_commit, dead,
         occurred_at, recovered_how)
    VALUES
        (%(alert_id)s, %(seq)s, %(key)s, %(event_id)s, %(event_type)s, %(object_id)s, %(customer)s, %(amount)s,
         %(currency)s, %(attempt)s, %(after_commit)s, %(dead)s, %(occurred_at)s, '')
    ON CONFLICT (key) DO NOTHING
"""
