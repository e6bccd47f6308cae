"""News is told by a latest moment, whatever happens: a site to which things happen, judged from outside.

    python -m tests.notifier.promises --examples 5000

The judge knows what failed and when, what holds it (silences, acknowledgements, quiet hours), and what the providers
were doing. Of the notifier it reads which failures each message that arrived was about, and nothing else: neither its
plans nor its reasons.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from unittest.mock import patch

import django
from django.apps import apps

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ["TEST_DATABASE_URL"] = ""
    os.environ["TEST_DB_SUFFIX"] = f"promises{os.getpid()}"
    os.environ["LOG_LEVEL"] = "CRITICAL"
if not apps.ready:
    django.setup()

from django.db import connection, transaction
from django.db.models import Q
from django.test import override_settings
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.delivery import tick
from notifier.delivery.courier import Courier
from notifier.facts import FAILING, DeliveryError, Message, Receipt, Result, Severity
from notifier.flow import pipeline, silences
from notifier.models import Alert, AttemptPart, Digest, Notification, Silence, Target
from notifier.outbox import last_resort, settle, stand_ins
from tests.holding import die, let_pass
from tests.notifier.scene import BUG, HOUR, MINUTE, NOON, SECOND, Scene, drain

WORLDS = [
    frozenset[str](),
    frozenset({"providers"}),
    frozenset({"holds"}),
    frozenset({"restarts"}),
    frozenset({"settings"}),
    frozenset({"providers", "holds", "restarts", "settings"}),
]
TYPES = ("invoice.paid", "payout.failed")
QUIET = (13, 14)  # o'clock, for what is not critical
NOTIFIER: dict[str, Any] = {
    "CHANNELS": {
        "chat": {
            "BACKEND": "tests.notifier.promises.Moody",
            "TO": ["chat"],
            "FAILOVER": "page",
            "FAILOVER_AFTER": "5m",
        },
        "page": {"BACKEND": "tests.notifier.promises.MoodyFolding", "TO": ["page"], "FAILOVER_AFTER": "5m"},
    },
    "ROUTES": {"critical": ["chat", "page"], "*": ["chat"]},
    "DEFAULTS": {"interval": ["5m", "10m"], "repeat": "1h"},
    "QUIET_HOURS": {
        "nap": {"HOURS": f"{QUIET[0]}:00-{QUIET[1]}:00", "CHANNELS": ["chat", "page"], "UNLESS": "critical"}
    },
    "LIMITS": {"page": {"RATES": ["1/1m"]}},
    "TZ": "UTC",
}


def changed(chat: str, room: str, page: str) -> dict[str, Any]:
    """The same with a channel of another name, and with other recipients."""
    channels = {
        chat: NOTIFIER["CHANNELS"]["chat"] | {"TO": [room]},
        "page": NOTIFIER["CHANNELS"]["page"] | {"TO": [page]},
    }
    quiet = {"nap": NOTIFIER["QUIET_HOURS"]["nap"] | {"CHANNELS": [*channels]}}
    routes = {"critical": [*channels], "*": [chat]}
    return NOTIFIER | {"CHANNELS": channels, "QUIET_HOURS": quiet, "ROUTES": routes}


SETTINGS = [changed("chat", "chat", "page"), changed("chat", "room", "page"), changed("talk", "chat", "other page")]
ADDRESSES = ("chat", "room", "page", "other page")
# The longest interval, a full throttle, and the jitter of a try.
SOON = 10 * MINUTE + MINUTE + 30 * SECOND
# The same, and both channels' FAILOVER_AFTER one after the other, each with the longest pause between two tries.
LATEST = SOON + 2 * (5 * MINUTE + 30 * SECOND)
AT_ONCE = 2 * MINUTE  # what is new or worse: a full throttle and the jitter of a try

MOODS: dict[str, DeliveryError | None] = {}  # address -> what every send to it ends with
HEARD: dict[int, tuple[int, int]] = {}  # alert -> the last failure and the worst severity that somebody heard of
ENDED: set[int] = set()  # alerts of whose latest end somebody heard


class Moody(memory.Memory):
    """Answers as MOODS says, and remembers what it was told."""

    kind = "moody"

    def send(self, address: str, message: Message) -> Receipt:
        if error := MOODS.get(address):
            raise error
        for part in AttemptPart.objects.filter(attempt__reference=message.reference, attempt__result="sending"):
            hear(part.notification.alert_id, part.to_seq, part.severity)
            if part.reason == "resolved":
                ENDED.add(part.notification.alert_id)
        return super().send(address, message)


class MoodyFolding(Moody):
    kind = "moody_folding"
    can_fold = True


def hear(alert_id: int, seq: int, severity: int) -> None:
    before, worst = HEARD.get(alert_id, (0, 0))
    HEARD[alert_id] = max(before, seq), max(worst, severity)


@dataclass
class Story:
    """What the judge knows of one alert."""

    failures: list[datetime] = field(default_factory=list)
    severities: list[int] = field(default_factory=list)
    held_until: datetime = NOON  # by a silence or an acknowledgement, as far as anybody has said
    over_since: datetime | None = None


class Promises(RuleBasedStateMachine):
    """Things happen; time passes only in `wait`, with the workers at work."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Scene()
        self.world = frozenset[str]()
        self._stack = ExitStack()
        self._stack.enter_context(transaction.atomic())
        self._stack.callback(transaction.set_rollback, True)
        self._stack.enter_context(override_settings(NOTIFIER=NOTIFIER))
        self._stack.enter_context(patch.object(last_resort, "not_delivered", self._cry))
        for known in (MOODS, HEARD, ENDED):
            known.clear()
        memory.clear()
        self.stories: dict[int, Story] = {}
        self.troubled_at: datetime = NOON - 9 * HOUR  # when a provider last did not take everything

    def teardown(self) -> None:
        self._stack.close()

    def _cry(self, alert: Alert, why: str, **_: object) -> None:
        hear(alert.pk, alert.count, alert.severity)

    # --- What happens ---------------------------------------------------------------------------------------------

    @initialize(world=st.sampled_from(WORLDS))
    def begin(self, world: frozenset[str]) -> None:
        """What may happen in this story besides failures: all at once seldom shows what one thing does."""
        self.world = world

    @rule(
        kind=st.sampled_from(TYPES),
        event=st.integers(0, 2),
        last=st.sampled_from([False, False, True]),
        times=st.sampled_from([1, 1, 3]),
        then=st.sampled_from([0, 1, 13]),
    )
    def fail(self, kind: str, event: int, last: bool, times: int, then: int) -> None:
        for _ in range(times):
            alert = self.scene.alert(
                event_type=kind, event_id=f"evt_{kind}_{event}", exceptions=BUG, will_retry=not last
            )
            story = self.stories.setdefault(alert.pk, Story())
            story.failures.append(self.scene.now)
            if story.over_since is not None:  # what opens again is judged anew
                HEARD[alert.pk] = HEARD.get(alert.pk, (0, 0))[0], 0
                ENDED.discard(alert.pk)
                story.over_since = None
            story.severities.append(alert.severity)
        self._work()
        self.wait(then)

    @rule(kind=st.sampled_from(TYPES), event=st.integers(0, 2))
    def recover(self, kind: str, event: int) -> None:
        for alert in self.scene.recover(f"evt_{kind}_{event}"):
            self.stories[alert.pk].over_since = self.scene.now
        self._work()

    @precondition(lambda self: "holds" in self.world)
    @rule(kind=st.sampled_from(TYPES), minutes=st.sampled_from([3, 40]))
    def silence(self, kind: str, minutes: int) -> None:
        until = self.scene.now + minutes * MINUTE
        silences.silence({"event": kind}, until=until, author="ada", comment="", now=self.scene.now)

    @precondition(lambda self: "holds" in self.world)
    @rule()
    def end_silences(self) -> None:
        for silence in Silence.objects.filter(ends_at__gt=self.scene.now):
            silences.end(silence, self.scene.now)

    @precondition(lambda self: "holds" in self.world)
    @rule(minutes=st.sampled_from([3, 40]))
    def acknowledge(self, minutes: int) -> None:
        for alert in Alert.objects.filter(resolved_at__isnull=True):
            pipeline.acknowledge(alert, "ada", self.scene.now, self.scene.now + minutes * MINUTE)

    @precondition(lambda self: "providers" in self.world)
    @rule(
        address=st.sampled_from(ADDRESSES),
        result=st.sampled_from([Result.RETRY, Result.UNCERTAIN]),
        retry_after=st.none() | st.floats() | st.integers(0, 10**30) | st.sampled_from([3600.0, 86400.0, 10**400]),
    )
    def trouble(self, address: str, result: Result, retry_after: Any) -> None:
        MOODS[address] = DeliveryError(result, "503", "later", retry_after=retry_after)

    @precondition(lambda self: "providers" in self.world)
    @rule(address=st.sampled_from(ADDRESSES), dead=st.booleans())
    def refuse(self, address: str, dead: bool) -> None:
        MOODS[address] = DeliveryError(Result.REJECTED, "gone", "not taken", target_dead=dead)

    @precondition(lambda self: "providers" in self.world)
    @rule()
    def mend(self) -> None:
        """The providers are well again, and somebody has sent a test to whoever was set aside."""
        MOODS.clear()
        for target in Target.objects.filter(dead_since__isnull=False):
            stand_ins.revive(target, self.scene.now)

    @precondition(lambda self: "restarts" in self.world)
    @rule()
    def restart(self) -> None:
        """The worker dies while it sends; its successor comes when others see that it is gone."""
        for alias in get_policy().channels:
            Courier(alias, now=self.scene.clock, start=lambda _name, _run: None).step()
        self.scene.couriers.clear()
        self._troubled()
        die()
        let_pass()
        self._work()

    @precondition(lambda self: "settings" in self.world)
    @rule(settings=st.sampled_from(SETTINGS))
    def change(self, settings: dict[str, Any]) -> None:
        """A channel is renamed, or has other recipients; the worker that reads that has been started anew."""
        self._stack.enter_context(override_settings(NOTIFIER=settings))
        self.scene.couriers.clear()
        self._work()
        present = [target.key for channel in get_policy().channels.values() for target in channel.targets]
        assert not Notification.objects.filter(due_at__isnull=False).exclude(target__key__in=present).exists()

    @rule(minutes=st.sampled_from([0.5, 6, 25, 62]))
    def time_passes(self, minutes: float) -> None:
        self.wait(minutes)

    def wait(self, minutes: float) -> None:
        end = self.scene.now + minutes * MINUTE
        while self.scene.now < end:
            self.scene.clock.at = min(end, self._next_moment())
            self._work()
            self._judge()

    # --- How it works ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        self._troubled()
        settle.settle_lost(self.scene.now)
        tick.hand_over(self.scene.now)
        tick.release_outdated(self.scene.now)
        busy = True
        while busy:  # what one channel cannot deliver another may have to
            for alias in get_policy().channels:
                drain(self.scene.courier(alias))
            busy = Target.objects.filter(
                Q(next_at__isnull=True) | Q(next_at__lte=self.scene.now),
                notifications__due_at__lte=self.scene.now,
                notifications__sending__isnull=True,
            ).exists()
        self._note_holds()

    def _next_moment(self) -> datetime:
        """When something may happen; a moment later, since what is due then is due."""
        now = self.scene.now
        moments = [*Notification.objects.filter(due_at__gt=now).values_list("due_at", flat=True)]
        moments += Target.objects.filter(next_at__gt=now).values_list("next_at", flat=True)
        moments += Digest.objects.filter(due_at__gt=now).values_list("due_at", flat=True)
        return min([now + 10 * MINUTE, *(at for at in moments if at)])

    def _troubled(self) -> None:
        if MOODS or Target.objects.filter(dead_since__isnull=False).exists():
            self.troubled_at = self.scene.now
        elif Target.objects.filter(waits_for__in=FAILING, next_at__gt=self.scene.now).exists():
            self.troubled_at = self.scene.now  # a provider that asked to wait, for an hour at most

    def _note_holds(self) -> None:
        now = self.scene.now
        for alert in Alert.objects.filter(pk__in=self.stories):
            story = self.stories[alert.pk]
            silenced = Silence.objects.filter(starts_at__lte=now, ends_at__gt=now, matcher__event=alert.event_type)
            acknowledged = alert.acknowledged_until is not None and now < alert.acknowledged_until
            if acknowledged and alert.severity > (alert.acknowledged_severity or 0):
                acknowledged = False
            napping = QUIET[0] <= now.hour < QUIET[1] and alert.severity < Severity.CRITICAL
            if silenced.exists() or acknowledged or napping:
                story.held_until = now

    # --- What must hold -------------------------------------------------------------------------------------------

    @invariant()
    def news_is_told(self) -> None:
        self._judge()

    def _judge(self) -> None:
        now = self.scene.now
        for pk, story in self.stories.items():
            if story.over_since is not None:
                continue
            seq, worst = HEARD.get(pk, (0, 0))
            new = seq == 0 or worst < max(self._severities(story, seq))
            if seq >= len(story.failures) and not new:
                continue
            born = story.failures[min(seq, len(story.failures) - 1)]
            free_since = max(born, story.held_until)
            troubled = now - self.troubled_at < LATEST
            longest = LATEST if troubled else AT_ONCE if new and seq == 0 else SOON
            assert now - free_since <= longest, (
                f"alert {pk}: failure {seq + 1} of {len(story.failures)} waits since {born:%H:%M:%S}, free since "
                f"{free_since:%H:%M:%S}, now {now:%H:%M:%S}, troubled at {self.troubled_at:%H:%M:%S}: "
                f"{list(Notification.objects.filter(alert=pk).values())} {list(Target.objects.values())}"
            )

    def _severities(self, story: Story, heard: int) -> list[int]:
        return [*story.severities[heard:], 0]


def check(examples: int) -> None:
    """Raises when any story breaks a promise. Needs an empty database."""
    run_state_machine_as_test(
        Promises,
        settings=settings(
            max_examples=examples,
            stateful_step_count=6,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Whether news is told by its latest moment, in so many stories.")
    parser.add_argument("--examples", type=int, default=5000)
    options = parser.parse_args()
    sys.excepthook = sys.__excepthook__  # the story that breaks a promise is to be read
    connection.creation.create_test_db(verbosity=0)
    try:
        connection.cursor().execute("PRAGMA synchronous=OFF")  # nothing here has to survive a power cut
        check(options.examples)
    finally:
        connection.creation.destroy_test_db("", verbosity=0)


if __name__ == "__main__":
    from tests.notifier import promises  # the module that CHANNELS names: this one has another name

    promises.main()
