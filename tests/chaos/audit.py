"""What was accepted, against what was handled, alerted and received. Reads the tables and what the providers took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.acceptance.site import Site
from tests.chaos.providers import Told

_MAYBE = "a.result IN ('delivered', 'uncertain', 'sending')"  # the others say: certainly not taken


@dataclass
class Count:
    """What became of some events. `notes` has a line for each promise that was broken."""

    events_lost: int = 0
    effects_doubled: int = 0
    alerts_lost: int = 0
    doubled: int = 0  # messages that came twice
    unmarked: int = 0  # of these, those that do not say that they may be a repeat
    notes: list[str] = field(default_factory=list)

    def lost_alert(self, note: str) -> None:
        self.alerts_lost += 1
        self.notes.append(note)


@dataclass(frozen=True)
class Known:
    """An alert, by the tables."""

    event_type: str
    count: int
    over: bool


@dataclass(frozen=True)
class Try:
    notification: int
    reason: str
    to_seq: int
    reference: str


def audit(site: Site, accepted: Iterable[str], told: list[Told], channels: Callable[[str], tuple[str, ...]]) -> Count:
    """`channels` says, by an event's type, who has to hear of its failures."""
    count = Count()
    ids = set(accepted)
    _events(site, ids, count)
    alerts = _alerts(site, ids, count)
    messages = _by_reference(site, told, count)
    _notifications(site, alerts, messages, channels, count)
    return count


def digests(site: Site, told: list[Told], after: int = 0) -> Count:
    """Every digest with an id above `after` that was due was told, once."""
    count = Count()
    messages = _by_reference(site, told, count)
    rows = site.rows(
        f"SELECT id, sent_at IS NOT NULL FROM swa_notifier_digest WHERE id > {after} AND outcome != 'set up'"
    )
    for pk, sent in rows:
        tries = site.rows(f"SELECT DISTINCT reference FROM swa_notifier_attempt WHERE digest_of_id = {pk}")
        received = [messages[reference] for (reference,) in tries if messages.get(reference)]
        if not sent or not received:
            count.lost_alert(f"digest {pk} was not told")
        for copies in received:
            _repeats(f"digest {pk}", copies, count)
        count.doubled += max(len(received) - 1, 0)
        count.unmarked += max(len(received) - 1, 0)
    return count


def _events(site: Site, ids: set[str], count: Count) -> None:
    states = dict(site.rows("SELECT event_id, state FROM swa_webhooks_webhookevent"))
    effects = dict(site.rows("SELECT event_id, count(*) FROM shop_effect GROUP BY event_id"))
    for one in sorted(ids):
        state, done = states.get(one, "not stored"), int(effects.get(one, 0))
        due = 1 if state == "processed" else 0
        if state not in ("processed", "dead") or done < due:
            count.events_lost += 1
            count.notes.append(f"event {one} is {state} with {done} effects")
        if done > due:
            count.effects_doubled += done - due
            count.notes.append(f"event {one} is {state} and its handler's effect is there {done} times")


def _alerts(site: Site, ids: set[str], count: Count) -> dict[int, Known]:
    """The alerts of these events' failures. A failure that no alert counts is an alert lost."""
    occurrences = site.rows("SELECT key, alert_id, event_id FROM swa_notifier_occurrence")
    counted = {key for key, _, _ in occurrences}
    failures = site.rows(
        "SELECT f.id, e.event_id FROM swa_webhooks_failure f JOIN swa_webhooks_webhookevent e ON e.id = f.event_id"
    )
    for pk, event_id in failures:
        if event_id in ids and f"webhooks.failure:{pk}" not in counted:
            count.lost_alert(f"failure {pk} of {event_id} is on no alert")
    concerned = {alert for _, alert, event_id in occurrences if event_id in ids}
    numbers: defaultdict[int, int] = defaultdict(int)
    for _, alert, _ in occurrences:
        numbers[alert] += 1
    alerts = {
        pk: Known(str(kind), int(number), bool(over))
        for pk, kind, number, over in site.rows(
            "SELECT id, event_type, count, resolved_at IS NOT NULL FROM swa_notifier_alert"
        )
        if pk in concerned
    }
    for pk, alert in alerts.items():
        if alert.count != numbers[pk]:
            count.lost_alert(f"alert {pk} counts {alert.count} failures and has {numbers[pk]}")
    return alerts


_DETAILS = '{"text": "Details"'  # posted below the message whose details they are, by the same try


def _by_reference(site: Site, told: list[Told], count: Count) -> dict[str, list[Told]]:
    """The messages that providers took, by the reference of the tries that may have sent them."""
    references = {one for (one,) in site.rows(f"SELECT DISTINCT reference FROM swa_notifier_attempt a WHERE {_MAYBE}")}
    found: defaultdict[str, list[Told]] = defaultdict(list)
    for message in told:
        own = message.words() & references
        if own:
            found[own.pop()].append(message)
        elif not message.text.startswith(_DETAILS):
            count.lost_alert(f"a message was taken that no try wrote down as sent: {message.text[:200]}")
    return found


@dataclass(frozen=True)
class Hearing:
    """What one channel has been told of one alert, by the tables."""

    pk: int
    alert: int
    channel: str
    told_seq: int
    planned: bool
    end_untold: bool

    def __str__(self) -> str:
        return f"alert {self.alert} on {self.channel}"


def _notifications(
    site: Site,
    alerts: dict[int, Known],
    messages: dict[str, list[Told]],
    channels: Callable[[str], tuple[str, ...]],
    count: Count,
) -> None:
    tries: defaultdict[int, list[Try]] = defaultdict(list)
    for row in site.rows(
        "SELECT p.notification_id, p.reason, p.to_seq, a.reference"
        f" FROM swa_notifier_attemptpart p JOIN swa_notifier_attempt a ON a.id = p.attempt_id WHERE {_MAYBE}"
    ):
        if messages.get(row[3]):
            tries[row[0]].append(Try(*row))
    heard: defaultdict[int, set[str]] = defaultdict(set)
    judged: set[str] = set()
    for row in site.rows(
        "SELECT n.id, n.alert_id, t.channel, n.told_seq, n.due_at IS NOT NULL, n.sent > 0 AND NOT n.told_resolved"
        " FROM swa_notifier_notification n JOIN swa_notifier_target t ON t.id = n.target_id"
    ):
        one = Hearing(*row)
        if one.alert not in alerts:
            continue
        received = tries[one.pk]
        # What is over before it was told is not told any more: the digest has it.
        if received or (alerts[one.alert].over and one.told_seq == 0):
            heard[one.alert].add(one.channel)
        _is_told(one, alerts[one.alert], received, count)
        for reference in {one.reference for one in received} - judged:
            judged.add(reference)
            _repeats(str(one), messages[reference], count)
        _twice_by_other_words(str(one), received, count)
    for pk, alert in alerts.items():
        if missing := set(channels(alert.event_type)) - heard[pk]:
            count.lost_alert(f"alert {pk} ({alert.event_type}) was not told to {', '.join(sorted(missing))}")


def _is_told(one: Hearing, alert: Known, received: list[Try], count: Count) -> None:
    """What the tables say was told, a provider has; what was not told is planned."""
    if one.told_seq > max((attempt.to_seq for attempt in received), default=0):
        count.lost_alert(f"{one} counts as told up to {one.told_seq}, and the provider has less")
    if one.told_seq < alert.count and not alert.over and not one.planned:
        count.lost_alert(f"{one} is told up to {one.told_seq} of {alert.count}, and nothing is planned")
    if alert.over and one.end_untold and not one.planned:
        count.lost_alert(f"{one} is over, and its end was not told")


def _repeats(what: str, copies: list[Told], count: Count) -> None:
    # One of them may be the first. It need not be the one that came first: a stopped worker sends when it goes on.
    unmarked = [one for one in copies if not one.marked][1:]
    count.doubled += len(copies) - 1
    count.unmarked += len(unmarked)
    if unmarked:
        count.notes.append(f"{what} was told again and not marked: {unmarked[0].text[:200]}")


def _twice_by_other_words(what: str, received: list[Try], count: Count) -> None:
    """The same news under another reference: nothing connects the two for whoever reads them."""
    news: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
    for one in received:
        news[one.reason, 0 if one.reason == "first" else one.to_seq].add(one.reference)
    for (reason, _), references in news.items():
        if len(references) > 1:
            count.doubled += len(references) - 1
            count.unmarked += len(references) - 1
            count.notes.append(f"{what}: {reason} was told {len(references)} times, each as news")
