"""The worker's step for one channel: claim -> judge -> render -> send -> finish.

One thread decides and writes; each call to a provider has a short-lived thread of its own that touches no database.
So a hung provider delays nothing but its own messages, and a call past its deadline is given up as UNCERTAIN.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups.wake import wake_here
from notifier.channels import load
from notifier.channels.base import Channel as Provider
from notifier.config.conf import get_policy
from notifier.delivery import judging
from notifier.delivery.calls import Call
from notifier.facts import Message, Reason, Severity
from notifier.judge import throttle
from notifier.judge.policy import ChannelConfig, Policy
from notifier.messages import compose
from notifier.models import Attempt, Digest, Notification, Target
from notifier.oncall.present import policy_now
from notifier.outbox import (
    batches,
    codes,
    digest_trouble,
    digests,
    finishing,
    holding,
    leases,
    past_tries,
    queue,
    recipients,
    starting,
    targets,
)

log = get_logger(__name__)

SLOTS = 32  # calls under way at once on one channel
TOGETHER = 8  # attempts stored in one commit before they are sent
BATCH = 200  # notifications judged in one step
LISTED = 2000  # the same where many alerts go in one message
IDLE = 1.0  # seconds; a wake-up comes sooner


def _start_thread(name: str, run: Callable[[], None]) -> None:
    threading.Thread(target=run, name=name, daemon=True).start()


def topic_of(alias: str) -> str:
    """The wake-up topic of a channel's courier."""
    return f"deliver-{alias}"


class Courier:
    """Sends what is due on one channel."""

    def __init__(
        self,
        alias: str,
        now: Callable[[], datetime] = clock.now,
        start: Callable[[str, Callable[[], None]], None] = _start_thread,
    ) -> None:
        self.alias = alias
        self._start = start
        self.topic = topic_of(alias)
        self._now = now
        self._claimed: dict[int, str] = {}  # the token of each target that this courier has leased
        self._calls: list[Call] = []
        self._provider: Provider | None = None

    def step(self) -> float:
        """One round; seconds until the next is needed at the latest (0: there is more)."""
        policy, now = get_policy(), self._now()
        self._finish(policy, now)
        channel = policy.channels.get(self.alias)
        after = channel.failover_after if channel else timedelta.max
        found = leases.lease(self.alias, now, after) if len(self._calls) < SLOTS else []
        taken = {claimed.target.pk: claimed for claimed in found}
        self._claimed.update((claimed.target.pk, claimed.target.token) for claimed in found)
        if self._claimed:
            policy = policy_now(now)
        busy = False
        for target_id, token in list(self._claimed.items()):
            if target_id in taken or not self._released(target_id, token, now):
                busy |= self._feed(target_id, token, taken.get(target_id), policy, now)
        return 0.0 if busy and len(self._calls) < SLOTS else IDLE

    def busy(self) -> bool:
        """Whether calls are under way, or a target is still leased."""
        return bool(self._calls or self._claimed)

    def close(self, timeout: float) -> None:
        """Wait for the calls under way, write down what became of them and give the leases back."""
        end = time.monotonic() + timeout
        self._finish(get_policy(), self._now())
        while self._calls and time.monotonic() < end:
            time.sleep(0.02)
            self._finish(get_policy(), self._now())
        for target_id, token in list(self._claimed.items()):
            if not self._under_way(target_id):  # else settle.py ends it when this process is gone
                leases.release(target_id, token)
                del self._claimed[target_id]

    def _finish(self, policy: Policy, now: datetime) -> None:
        ended = [(call, found) for call in self._calls if (found := call.ended())]
        finishing.finish([found for _, found in ended], policy, now)
        for call, _ in ended:
            self._calls.remove(call)

    def _released(self, target_id: int, token: str, now: datetime) -> bool:
        """Give a target back if nothing is under way or due for it, as after most messages; whether it was."""
        if self._under_way(target_id) or not leases.release_idle(target_id, token, now):
            return False
        del self._claimed[target_id]
        return True

    def _feed(self, target_id: int, token: str, taken: leases.Claimed | None, policy: Policy, now: datetime) -> bool:
        """Send a target what may go now; True when there is more.

        `taken`: the target, if it was leased in this very step.
        """
        claimed = taken or leases.claimed(target_id, token, now)
        if claimed is None:
            self._claimed.pop(target_id, None)
            return False
        if recipients.is_moved(claimed.target, policy, now):
            return self._feed(target_id, token, None, policy, now)
        channel, next_at = policy.channels.get(self.alias), claimed.target.next_at
        more = False
        if channel is not None and (next_at is None or next_at <= now):
            more = (claimed.alerts_due or claimed.digest_due) and self._send_due(claimed, token, channel, policy, now)
        elif channel is not None and claimed.alerts_due:
            # Nothing may go to this target now; what has waited for too long is diverted all the same.
            rows = queue.overdue_rows(claimed.target, now, channel.failover_after, BATCH)
            judging.judge(rows, claimed.target, channel, policy, now)
            more = len(rows) == BATCH
        if not more and not self._under_way(target_id):
            leases.release(target_id, token)
            self._claimed.pop(target_id, None)
        return more

    def _send_due(
        self, claimed: leases.Claimed, token: str, channel: ChannelConfig, policy: Policy, now: datetime
    ) -> bool:
        target = claimed.target
        failing = target.is_failing
        if failing and self._under_way(target.pk):
            return False  # a failing target gets one message at a time
        limits = channel.limits
        one_by_one = failing or limits.messages_per_day is not None or limits.money_per_day is not None
        free = SLOTS - len(self._calls)
        if free <= 0:
            return True
        # Alerts that take turns or go in one message have to be seen together; else only as many as can go now are
        # read.
        provider = self._connect()
        most = LISTED if provider.can_fold else BATCH if limits.windows else free
        rows = queue.due_rows(target, now, most, in_turn=bool(limits.windows)) if claimed.alerts_due else []
        cleared = judging.judge(rows, target, channel, policy, now)
        while cleared and len(self._calls) < SLOTS:
            history = batches.History.of(target.pk, limits, provider, now) if limits.windows else None
            if history is not None:
                cleared = queue.in_turn(target.pk, cleared, throttle.prune_before(limits.windows, now))
            together = 1 if one_by_one or limits.windows else min(TOGETHER, SLOTS - len(self._calls))
            tellings: list[tuple[list[starting.Part], Attempt | None]] = []
            while cleared and len(tellings) < together:
                batch, full = batches.next_batch(cleared, provider, limits, history, now)
                if full is not None:
                    return _full(target, token, full)
                batch, before = batches.as_before(batch)
                going = {row.pk for row, _ in batch}
                cleared = [one for one in cleared if one[0].pk not in going]
                tellings.append(([_part(row, reason) for row, reason in batch], before))
            self._tell(target, token, tellings, policy, now)
            if failing:
                return False
            if one_by_one:
                return True  # the rest of the budget is judged again for each message
        if claimed.digest_due and not cleared and len(self._calls) < SLOTS:
            self._send_digest(target, token, channel, policy, now)
        return bool(cleared) or len(rows) >= most

    def _tell(
        self,
        target: Target,
        token: str,
        tellings: list[tuple[list[starting.Part], Attempt | None]],
        policy: Policy,
        now: datetime,
    ) -> None:
        """Send these messages. If that raises, each alert is sent by itself, and one that still raises is marked."""
        try:
            self._say(target, token, tellings, policy, now)
        except Exception as error:
            alone = [([part], before) for parts, before in tellings for part in parts]
            if len(alone) == 1:
                holding.trouble(alone[0][0][0].row.pk, error, now)
                return
            log.exception("delivery.split", target=target.pk)
            for one in alone:
                self._tell(target, token, [one], policy, now)

    def _say(
        self,
        target: Target,
        token: str,
        tellings: list[tuple[list[starting.Part], Attempt | None]],
        policy: Policy,
        now: datetime,
    ) -> None:
        provider = self._connect()
        if provider.answered_by == "code":
            codes.give([part.row for parts, _ in tellings for part in parts], now)
        told = compose.alert_messages(
            tellings, policy, now, html=provider.wants_html, link=provider.answered_by == "link"
        )
        tries = [
            starting.Try(message.reason, message.reference, provider.words(message), parts)
            for message, (parts, _) in zip(told, tellings, strict=True)
        ]
        started = starting.start(target, token, tries, now)
        for attempt, message, (_, before) in zip(started, told, tellings, strict=False):  # empty if the lease is lost
            self._call(attempt, target, message, before)

    def _send_digest(self, target: Target, token: str, channel: ChannelConfig, policy: Policy, now: datetime) -> None:
        digest = digests.due_digest(target.pk, now)
        if digest is None:
            return
        try:
            self._say_digest(digest, target, token, channel, policy, now)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this digest's trouble and no other's
            digest_trouble.trouble(digest.pk, error, now)

    def _say_digest(
        self, digest: Digest, target: Target, token: str, channel: ChannelConfig, policy: Policy, now: datetime
    ) -> None:
        before = past_tries.last_uncertain(digest)
        message = compose.digest_message(digest, policy, now, before=before)
        if message is None:
            digests.skip_digest(digest, "nothing happened")
            return
        if judging.why_undeliverable(None, target, channel):
            digests.skip_digest(digest, "target cannot be reached")
            digest_trouble.given_up(digest, "target cannot be reached")
            return
        one = starting.Try(Reason.DIGEST, message.reference, self._connect().words(message), digest=digest)
        for attempt in starting.start(target, token, [one], now):
            self._call(attempt, target, message, before)

    def _call(self, attempt: Attempt, target: Target, message: Message, before: Attempt | None) -> None:
        provider = self._connect()
        thread = past_tries.any_thread(target) if before is not None else ""
        call = Call(attempt, target.address, message, time.monotonic() + provider.deadline, before, thread)
        self._calls.append(call)

        def run() -> None:
            call.make(provider)
            wake_here(self.topic)  # not `wake`, for which this thread would have to open a database connection

        self._start(f"{self.topic}-{attempt.reference}", run)

    def _connect(self) -> Provider:
        if self._provider is None:
            channel = get_policy().channels[self.alias]
            self._provider = load(channel.backend)(channel.options)
        return self._provider

    def _under_way(self, target_id: int) -> bool:
        return any(call.attempt.target_id == target_id for call in self._calls)


def _full(target: Target, token: str, allowed: throttle.Allowed) -> bool:
    """Let a target wait until its rate allows the next message; False, as there is nothing more to send now."""
    rate = f"{allowed.window.count} in {allowed.window.per}" if allowed.window else ""
    targets.wait_for_rate(target.pk, token, allowed.at, rate)
    return False


def _part(row: Notification, reason: Reason) -> starting.Part:
    return starting.Part(row, reason, row.alert.count, Severity(row.alert.severity))
