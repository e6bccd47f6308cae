"""The only writer of Target: who sends to a recipient, from when on, and whether anything reaches it.

Order, throttle and folding concern a recipient, so it is the recipient that is leased: by compare-and-set, to the
process whose name its token begins with, for as long as that lives.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from alerts_runtime.database.fast_sql import columns, select
from alerts_runtime.isolation import later
from alerts_runtime.leasing import holders
from alerts_runtime.leasing.clock import brought_forward
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.redact import redact
from notifier.facts import DeliveryError, Result
from notifier.facts import Target as To
from notifier.judge.receipts import NOT_SENT, UNWANTED
from notifier.models import Attempt, Target

log = get_logger(__name__)

FIRST_PROBE, LONGEST_PROBE = timedelta(minutes=5), timedelta(hours=6)
FIRST_PAID_PROBE, LONGEST_PAID_PROBE = timedelta(hours=1), timedelta(days=1)
FAILING = "provider"  # how `held_by` begins from failed tries until something arrives: one is tried at a time
ASKS_TO_WAIT = f"{FAILING} asks to wait"
LONGEST_PAUSE = 30.0  # seconds; by so much a message is late at most when its provider is back


@dataclass(frozen=True, slots=True)
class Held:
    """A target that is ours, and what is due for it."""

    target: Target
    alerts_due: bool
    digest_due: bool


def row_of(target: To) -> Target:
    """The row of a recipient, made when it is first needed."""
    return rows_of([target])[target.key]


def rows_of(recipients: Collection[To]) -> dict[str, Target]:
    """The same of several, by their keys."""
    if not recipients:
        return {}
    keys = [one.key for one in recipients]
    rows: dict[str, Target] = {row.key: row for (row,) in select([Target], _of_keys(len(keys)), keys)}
    for one in recipients:
        if one.key not in rows:
            rows[one.key], _ = Target.objects.get_or_create(
                key=one.key, defaults={"channel": one.channel, "address": one.address}
            )
    return rows


@cache
def _of_keys(number: int) -> str:
    places = ", ".join(["%s"] * number)
    return f"SELECT {columns(Target)} FROM swa_notifier_target WHERE key IN ({places})"  # noqa: S608 - the model's own names


# Asked by every channel at least once a second: building this by the ORM took most of an idle worker's time.
_ALERTS_DUE = """
    EXISTS (SELECT 1 FROM swa_notifier_notification n
            WHERE n.target_id = swa_notifier_target.id AND n.due_at <= %(now)s AND n.sending_id IS NULL)
"""
_DIGEST_DUE = """
    EXISTS (SELECT 1 FROM swa_notifier_digest d
            WHERE d.target_id = swa_notifier_target.id AND d.due_at <= %(now)s AND d.sending_id IS NULL)
"""


# What could not be told for so long that others have to hear of it, although nothing may be sent to the target now.
OVERDUE = f"""
    n.due_at <= %(now)s AND n.sending_id IS NULL AND n.held_by NOT LIKE 'diverted%%' AND (
        n.trying_since <= %(overdue)s OR (swa_notifier_target.held_by LIKE '{FAILING}%%' AND n.due_at <= %(overdue)s)
    )
"""
_ANY_OVERDUE = (
    f"EXISTS (SELECT 1 FROM swa_notifier_notification n WHERE n.target_id = swa_notifier_target.id AND {OVERDUE})"  # noqa: S608 - the text above
)
# Something is due, nobody holds it and nothing holds it back, or not any longer.
_READY = f"""
    channel = %(channel)s AND token = ''
    AND (next_at IS NULL OR next_at <= %(now)s OR {_ANY_OVERDUE}) AND ({_ALERTS_DUE} OR {_DIGEST_DUE})
"""
_IS_ANY_READY = f"SELECT 1 FROM swa_notifier_target WHERE {_READY} LIMIT 1"  # noqa: S608 - the texts above


_READY_CHANNELS = f"""
    SELECT DISTINCT channel FROM swa_notifier_target
    WHERE token = '' AND (next_at IS NULL OR next_at <= %(now)s OR {_ANY_OVERDUE})
        AND ({_ALERTS_DUE} OR {_DIGEST_DUE})
"""  # noqa: S608 - the texts above


@cache
def _lease() -> str:
    return f"""
        UPDATE swa_notifier_target SET token = %(token)s WHERE {_READY}
        RETURNING {columns(Target)}, {_ALERTS_DUE}, {_DIGEST_DUE}
    """  # noqa: S608 - the texts above


@cache
def _held() -> str:
    return f"""
        SELECT {columns(Target)}, {_ALERTS_DUE}, {_DIGEST_DUE} FROM swa_notifier_target
        WHERE id = %(id)s AND token = %(token)s
    """  # noqa: S608 - the texts above


def lease(channel: str, now: datetime, failover_after: timedelta = timedelta.max) -> list[Held]:
    """Claim what is ready on a channel. One statement, so that two can never claim one target; tokens are in them.

    A target that waits is claimed as well when something could not be told for `failover_after`.
    """
    asked = {"channel": channel, "now": _at(now), "overdue": _at(before(now, failover_after))}
    if connection.vendor == "sqlite" and not select([], _IS_ANY_READY, asked):
        return []  # to claim nothing would still take SQLite's one write lock
    token = holders.token()
    connection.ensure_connection()
    try:
        return _all_held(_lease(), token=token, **asked)
    except Exception:  # it may have been committed before the connection broke
        later.write(token, "recipients that were claimed could not be given back", partial(_free, [token]))
        raise


def ready_channels(now: datetime, failover_after: timedelta) -> set[str]:
    """The channels on which `lease` finds something, by one statement; with the shortest `failover_after` of all."""
    asked = {"now": _at(now), "overdue": _at(before(now, failover_after))}
    return {channel for (channel,) in select([], _READY_CHANNELS, asked)}


def end_leases() -> int:
    """Free the targets whose holder is gone; how many. Nobody else takes a lease away."""
    tokens = set(Target.objects.exclude(token="").values_list("token", flat=True))
    return _free(holders.abandoned(tokens))


def _free(tokens: list[str]) -> int:
    return Target.objects.filter(token__in=tokens).update(token="") if tokens else 0


def confirm(target_id: int, token: str) -> bool:
    """Whether it is still ours; until the end of the transaction nobody else takes it."""
    return _did(_CONFIRM, id=target_id, token=token)


def move(target: Target, address: str) -> None:
    """A person is reached elsewhere from now on; what waits for them, and how often they are told, stays theirs."""
    log.info("target.address_changed", target=target.pk, channel=target.channel)
    Target.objects.filter(pk=target.pk).update(address=address)
    target.address = address


def release(target_id: int, token: str) -> None:
    """Give a target back: what is still due for it is anybody's."""
    _did(_RELEASE, id=target_id, token=token)


# By hand for the same reason: they are the frame of every message.
_CONFIRM = "UPDATE swa_notifier_target SET token = token WHERE id = %(id)s AND token = %(token)s"
_RELEASE = "UPDATE swa_notifier_target SET token = '' WHERE id = %(id)s AND token = %(token)s"


def _all_held(sql: str, **values: object) -> list[Held]:
    return [Held(target, bool(alerts), bool(digest)) for target, alerts, digest in select([Target], sql, values)]


def _did(statement: str, **values: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.rowcount)


def before(now: datetime, span: timedelta) -> datetime:
    """So long before now, or as long as there is."""
    beginning = datetime.min.replace(tzinfo=now.tzinfo)
    return now - span if span < now - beginning else beginning


def _at(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def bring_forward(by: timedelta, now: datetime) -> None:
    """The clock was stepped back by so much: what targets wait for ends as much earlier."""
    Target.objects.filter(next_at__gt=now).update(next_at=brought_forward("next_at", by, now))


def hold(target_id: int, token: str, until: datetime, held_by: str) -> None:
    """Nothing goes to a target until then: its throttle is full. One row, however many messages wait."""
    Target.objects.filter(pk=target_id, token=token).update(next_at=until, held_by=held_by[:100])


def held(target_id: int, token: str, now: datetime) -> Held | None:
    """The target as it is now, while we still hold it."""
    return next(iter(_all_held(_held(), id=target_id, token=token, now=_at(now))), None)


def set_aside(target_id: int, error: DeliveryError, now: datetime) -> None:
    """Nothing reaches it any more: its messages go to the failover until something arrives there.

    What is the channel's trouble, such as a revoked token, sets all of its targets aside.
    """
    detail = f"{error.code}: {redact(error.detail, limit=300)}"[:500]
    which = Q(pk=target_id)
    if error.channel_dead:
        which |= Q(channel__in=Target.objects.filter(pk=target_id).values("channel"))
    # It is waited for no longer: others hear what would have gone to it.
    alive = Target.objects.filter(which, dead_since__isnull=True)
    alive.update(
        dead_since=now, dead_detail=detail, dead_told=False, probe_at=now + FIRST_PROBE, next_at=None, held_by=""
    )


def was_reported(target: Target) -> bool:
    """Whether a later report set it aside, and not an answer: then only a report can say that it is reached again.

    A provider takes messages for a mailbox or a telephone that does not exist.
    """
    if target.dead_since is None:
        return False
    just_before = (target.dead_since - timedelta(minutes=1), target.dead_since)
    return Attempt.objects.filter(
        target=target, receipt__in=NOT_SENT | UNWANTED, receipt_at__range=just_before
    ).exists()


def begin_probe(target: Target, now: datetime, *, costs: bool = False) -> None:
    """Let one message through to a target that was set aside, when its time has come; the next waits for longer.

    What `costs` money is tried less often.
    """
    if target.dead_since is None or target.probe_at is None or target.probe_at > now:
        return
    first, longest = (FIRST_PAID_PROBE, LONGEST_PAID_PROBE) if costs else (FIRST_PROBE, LONGEST_PROBE)
    if now - target.dead_since < first:
        return
    pause = min(max(first, now - target.dead_since), longest)
    mine = Target.objects.filter(pk=target.pk, dead_since=target.dead_since, probe_at=target.probe_at)
    target.probing = bool(mine.update(probe_at=now + pause))


def mended(target_ids: Iterable[int]) -> list[Target]:
    """Something reached them: they are no longer set aside, nor are others of their channels for the same reason."""
    found = list(Target.objects.filter(pk__in=list(target_ids)))
    same = Q(pk__in=[target.pk for target in found])
    for target in found:
        if target.dead_since is not None:
            same |= Q(channel=target.channel, dead_since=target.dead_since, dead_detail=target.dead_detail)
    revived = list(Target.objects.filter(same))
    Target.objects.filter(same).update(dead_since=None, dead_detail="", probe_at=None, next_at=None, held_by="")
    return revived


def set_aside_together(dead: Iterable[Target]) -> list[list[Target]]:
    """Those of one channel that were set aside at once for one reason are one thing to tell."""
    groups: dict[tuple[str, datetime | None, str], list[Target]] = {}
    for target in dead:
        groups.setdefault((target.channel, target.dead_since, target.dead_detail), []).append(target)
    return list(groups.values())


def number_on(channel: str) -> int:
    """How many recipients a channel has had messages for."""
    return Target.objects.filter(channel=channel).count()


def told_of_death(target: Target) -> None:
    """The alert about a target that was set aside has been raised."""
    Target.objects.filter(pk=target.pk, dead_since=target.dead_since).update(dead_told=True)


def want_digests(target_id: int, now: datetime, *, wanted: bool) -> bool:
    """A recipient unsubscribes from digests, or wants them again; False when it was so already."""
    rows = Target.objects.filter(pk=target_id, no_digests_since__isnull=not wanted)
    return bool(rows.update(no_digests_since=None if wanted else now))


def is_failing(target: Target) -> bool:
    return target.held_by.startswith(FAILING)


def failed(target_id: int, error: DeliveryError, in_a_row: int, now: datetime) -> None:
    """What a failed try says of its target: that nothing reaches it, or when to try again, whatever waits for it."""
    if error.target_dead:
        set_aside(target_id, error, now)
        return
    # The first failure may be the message's own; the second is the provider's.
    pause = min(2.0 ** (in_a_row - 1), LONGEST_PAUSE) if in_a_row > 1 else 0.0
    if error.retry_after or pause:
        until = now + timedelta(seconds=max(error.retry_after or 0.0, pause))
        why = ASKS_TO_WAIT if error.retry_after else f"{FAILING} cannot be reached"
        Target.objects.filter(pk=target_id).update(next_at=until, held_by=f"{why}: {error.code}"[:100])


def arrived(target_ids: Iterable[int], now: datetime) -> None:
    """Something reached them. What another try was asked to wait for stands, unless this one began after it."""
    failing = Target.objects.filter(held_by__startswith=FAILING, pk__in=set(target_ids))
    recent = Attempt.objects.filter(target=OuterRef("pk"), started_at__gte=now - timedelta(hours=1))
    later = Attempt.objects.filter(
        target=OuterRef("target"),
        result__in=(Result.RETRY, Result.UNCERTAIN),
        started_at__gte=now - timedelta(hours=2),
        finished_at__gte=OuterRef("started_at"),
    )
    since_then = recent.filter(result=Result.DELIVERED).exclude(Exists(later))
    failing.filter(Q(next_at__lte=now) | Q(Exists(since_then))).update(held_by="", next_at=None)
