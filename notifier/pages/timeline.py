"""One time line of an alert, out of its failures, its messages, what held them, and what people said. Newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count, Max, Min
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from alerts_runtime.redaction.masking import named
from notifier.facts import NEVER_AGAIN, Reason, Result, Severity
from notifier.messages import answered
from notifier.messages.news import held_because
from notifier.messages.wording import capitalised, listed
from notifier.models import Alert, Attempt, AttemptPart, Hold, LogEntry, Notification, Occurrence

MOST = 100  # messages; a reminder every five minutes for a week would be two thousand


@dataclass(frozen=True, slots=True)
class Entry:
    at: datetime
    kind: str  # fail, worse, sent, trouble, hold, person, good, plan
    text: str
    detail: str = ""


def timeline(alert: Alert, notifications: list[Notification], zone: str, now: datetime) -> tuple[list[Entry], bool]:
    """What happened, the newest first; and whether older messages are left out."""
    parts = list(
        AttemptPart.objects.filter(notification__alert=alert)
        .select_related("attempt__target")
        .defer("attempt__text")
        .order_by("-attempt__started_at", "-pk")[: MOST + 1]
    )
    entries = [
        *_failures(alert),
        *_messages(parts[:MOST]),
        *_worse(parts[:MOST]),
        *_holds(alert, notifications, parts[:MOST]),
        *_people(alert, zone, now),
        *_ends(alert),
    ]
    entries.sort(key=lambda entry: entry.at, reverse=True)
    return entries, len(parts) > MOST


def plans(notifications: list[Notification], now: datetime) -> list[Entry]:
    """What is to be told yet, the next first."""
    together: dict[tuple[datetime, str, str], list[Notification]] = {}
    for row in notifications:
        if row.due_at is not None:
            minute = row.due_at.replace(second=0, microsecond=0)
            together.setdefault((minute, row.reason, held(row)), []).append(row)
    found = []
    for (minute, reason, why_not), rows in together.items():
        who = listed([named(row.target.channel, row.target.address) for row in rows])
        text = _("Next: %(what)s to %(who)s") % {"who": who, "what": REASONS[Reason(reason)]}
        found.append(Entry(minute, "plan", text, why_not))
    return sorted(found, key=lambda entry: entry.at)


def held(row: Notification) -> str:
    """What holds a message, in words; "" when nothing does."""
    if not row.held_by:
        return ""
    return _("held %(why)s") % {"why": held_because(row.held_by, row.held_ref)}


REASONS = {
    Reason.FIRST: gettext_lazy("the first message"),
    Reason.UPDATE: gettext_lazy("an update"),
    Reason.RAISED: gettext_lazy("news that it got worse"),
    Reason.REPEAT: gettext_lazy("a reminder"),
    Reason.REOPENED: gettext_lazy("news that it is open again"),
    Reason.ANSWERED: gettext_lazy("news of what somebody did"),
    Reason.ESCALATED: gettext_lazy("a page, since nobody has it,"),
    Reason.RESOLVED: gettext_lazy("news that it is over"),
    Reason.DIGEST: gettext_lazy("a digest"),
    Reason.TEST: gettext_lazy("a test"),
}
RESULTS = {
    Result.SENDING: gettext_lazy("on its way"),
    Result.DELIVERED: gettext_lazy("taken by the provider"),
    Result.RETRY: gettext_lazy("not taken, to be tried again"),
    Result.REJECTED: gettext_lazy("refused for good"),
    Result.UNCERTAIN: gettext_lazy("perhaps taken: no answer came in time"),
}
KINDS = {Result.DELIVERED: "sent", Result.SENDING: "sent"}


def _failures(alert: Alert) -> Iterator[Entry]:
    rows = Occurrence.objects.filter(alert=alert)
    first = rows.order_by("seq").first()
    if first is None:
        yield Entry(alert.opened_at, "fail", _("First failure"))
        return
    about = " ".join(filter(None, [first.event_id, first.object_id, first.customer]))
    yield Entry(first.occurred_at, "fail", _("First failure"), about)
    if alert.opened_at > first.occurred_at:
        yield Entry(alert.opened_at, "fail", _("Open again"))
    if alert.count > 1:
        text = ngettext("%(n)s failure so far", "%(n)s failures so far", alert.count) % {"n": f"{alert.count:,}"}
        yield Entry(alert.last_at, "fail", text, _("this is when the newest happened"))
    done = rows.filter(recovered_at__isnull=False).values("recovered_how")
    for row in done.annotate(n=Count("event_id", distinct=True), first=Min("recovered_at"), last=Max("recovered_at")):
        if row["recovered_how"] == NEVER_AGAIN:
            continue  # a person decided that, and has an entry of their own
        text = ngettext("%(n)s event recovered by %(how)s", "%(n)s events recovered by %(how)s", row["n"])
        yield Entry(row["last"], "good", text % {"n": f"{row['n']:,}", "how": row["recovered_how"] or _("itself")})


def _messages(parts: list[AttemptPart]) -> Iterator[Entry]:
    """One entry for what several recipients were told in the same minute, with the same outcome."""
    together: dict[tuple[datetime, str, str], list[AttemptPart]] = {}
    for part in parts:
        minute = part.attempt.started_at.replace(second=0, microsecond=0)
        together.setdefault((minute, part.reason, answer(part.attempt)), []).append(part)
    for (_minute, reason, outcome), some in together.items():
        first = some[0].attempt
        whom = {named(part.attempt.target.channel, part.attempt.target.address): None for part in some}
        text = capitalised(_("%(what)s to %(who)s") % {"who": listed(list(whom)), "what": REASONS[Reason(reason)]})
        yield Entry(first.started_at, KINDS.get(Result(first.result), "trouble"), text, outcome)


def answer(attempt: Attempt) -> str:
    """What became of a try, with what the provider said."""
    words = [str(RESULTS[Result(attempt.result)])]
    if attempt.code:
        words.append(attempt.code)
    if attempt.detail:
        words.append(attempt.detail)
    if attempt.receipt:
        words.append(_("later reported: %(what)s") % {"what": f"{attempt.receipt} {attempt.receipt_code}".strip()})
    return " · ".join(words)


def _worse(parts: list[AttemptPart]) -> Iterator[Entry]:
    worst = 0
    for part in reversed(parts):
        if worst and part.severity > worst:
            text = _("Now %(severity)s, it was %(before)s") % {
                "severity": Severity(part.severity).label,
                "before": Severity(worst).label,
            }
            yield Entry(part.attempt.started_at, "worse", text)
        worst = max(worst, part.severity)


def _holds(alert: Alert, notifications: list[Notification], parts: list[AttemptPart]) -> Iterator[Entry]:
    """What held messages, and its end: what held several recipients from the same minute on is one entry."""
    rows = list(Hold.objects.filter(notification__alert=alert).order_by("-since", "-pk")[:MOST])
    known = {row.pk: row for row in notifications}
    begun, ended = _Together(), _Together()
    for row in rows:
        of = known[row.notification_id]
        begun.add(row.since, (row.by, row.ref), of)
        if end := _end(row, of, alert, rows, parts):
            ended.add(end, (row.by, row.ref), of)
    for at, by, who in begun.all():
        yield Entry(at, "hold", _("Not told: %(who)s") % {"who": who}, _("held %(why)s") % {"why": held_because(*by)})
    for at, by, who in ended.all():
        text = _("No longer held: %(who)s") % {"who": who}
        yield Entry(at, "hold", text, _("it had been held %(why)s") % {"why": held_because(*by)})


def _end(hold: Hold, of: Notification, alert: Alert, holds: list[Hold], parts: list[AttemptPart]) -> datetime | None:
    """When a hold ended (see models.Hold); None when it goes on, or that is not known."""
    ends = [hold.ended_at, alert.resolved_at]
    ends += [one.since for one in holds if one.notification_id == of.pk and one.pk > hold.pk]
    ends += [part.attempt.started_at for part in parts if part.notification_id == of.pk]
    return min((end for end in ends if end and end >= hold.since), default=None)


By = tuple[str, str]  # a HeldBy and which of them


class _Together:
    """Recipients, by the minute and by what held them."""

    def __init__(self) -> None:
        self._found: dict[tuple[datetime, By], tuple[datetime, dict[str, None]]] = {}

    def add(self, at: datetime, by: By, row: Notification) -> None:
        minute = at.replace(second=0, microsecond=0)
        _, who = self._found.setdefault((minute, by), (at, {}))
        who[named(row.target.channel, row.target.address)] = None

    def all(self) -> Iterator[tuple[datetime, By, str]]:
        for (_minute, by), (at, who) in self._found.items():
            yield at, by, listed(list(who))


def _people(alert: Alert, zone: str, now: datetime) -> Iterator[Entry]:
    for entry in LogEntry.objects.filter(alert=alert).order_by("-at", "-pk")[:MOST]:
        one = answered.said(entry)
        if entry.changed:
            yield Entry(entry.at, "person", answered.story(replace(one, text=""), now, zone), one.text)


def _ends(alert: Alert) -> Iterator[Entry]:
    if alert.resolved_at:
        yield Entry(alert.resolved_at, "good", _("Resolved"), alert.resolved_how)
