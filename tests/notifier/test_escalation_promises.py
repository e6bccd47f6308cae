"""Whatever happens to an alert, its steps keep their promises, judged by what arrived and by its log alone."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from notifier.answers.commands import Asker, Command, Verb
from notifier.answers.door import answer
from notifier.channels import memory
from notifier.delivery import tick
from notifier.flow import pipeline, silences
from notifier.models import Alert, LogEntry
from tests.notifier.scene import MINUTE, NOON, Scene, a_failure

STEPS = {0: "first", 10: "second", 25: "third", 40: "last resort"}
NOTIFIER: dict[str, Any] = {
    "CHANNELS": {name: {"BACKEND": "memory", "TO": [name]} for name in ("first", "second", "third")},
    "ROUTES": [
        {
            "name": "page",
            "to": ["first"],
            "interval": "5m",
            "escalate": [{"after": "10m", "to": "second"}, {"after": "25m", "to": "third"}],
        }
    ],
    "TZ": "UTC",
}
HAPPENS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(1, 30)),
        st.tuples(st.just("away"), st.integers(1, 40)),  # no worker runs
        st.tuples(st.just("acknowledge"), st.integers(1, 60)),
        st.tuples(st.just("take back"), st.just(0)),
        st.tuples(st.just("silence"), st.integers(1, 40)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("fails again"), st.just(0)),
        st.tuples(st.just("over"), st.just(0)),
    ),
    max_size=12,
)


class Judge:
    """Plays what happens, and knows from it how many minutes of the steps' time have passed."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.failure = a_failure(NOON)
        pipeline.failed(self.failure, NOON)
        self.alert = Alert.objects.get()
        self.minutes = 0  # that count: open, held by nothing, and nobody has it
        self.silenced = 0  # that count as well, unless a step was due in them
        self.late = 0  # by so many minutes the workers were away or a hold was noticed late
        self.has_it_until = self.silent_until = NOON
        self.over = False
        self._work()

    def play(self, what: str, number: int) -> None:
        now = self.scene.now
        if what in ("wait", "away"):
            for _ in range(number):
                self._pass_a_minute(works=what == "wait")
        elif what == "restart":
            self.scene.couriers.clear()
        elif what == "acknowledge" and not self.over and self.has_it_until <= now:
            self._say(Command(Verb.ACKNOWLEDGE, self.alert.pk, number * MINUTE))
            self.has_it_until = now + number * MINUTE
        elif what == "take back" and not self.over and self.has_it_until > now:
            self._say(Command(Verb.TAKE_BACK, self.alert.pk))
            self.has_it_until = now
        elif what == "silence" and self.silent_until <= now:
            self.silent_until = now + number * MINUTE
            silences.silence({"event": "*"}, until=self.silent_until, author="ada", comment="", now=now)
            self.late += number + 1  # how much of the step's time it takes depends on when it is noticed
        elif what == "fails again" and not self.over:
            self.scene.fail()
        elif what == "over" and not self.over:
            self.scene.recover(self.failure.event_id)
            for one in list(self.alert.occurrences.values_list("event_id", flat=True)):
                self.scene.recover(one)
            self.over = True

    def _say(self, command: Command) -> None:
        answer(command, Asker("ada", "page"), self.scene.now)
        self._work()

    def _pass_a_minute(self, *, works: bool) -> None:
        has_it, silenced = self.scene.now < self.has_it_until, self.scene.now < self.silent_until
        self.scene.clock.step(MINUTE)
        self.minutes += not (self.over or has_it or silenced)
        self.silenced += silenced and not (self.over or has_it)
        self.late += not works
        if works:
            self._work(judge=self.scene.now < max(self.has_it_until, self.silent_until) or self.over)

    def _work(self, *, judge: bool = False) -> None:
        tick.escalate(self.scene.now)
        arrived = self.scene.deliver()
        if judge:
            pages = [one.address for one in arrived if str(one.message.reason) in ("first", "escalated")]
            assert pages == [], "nobody is paged while somebody has it, it is silenced, or it is over"

    def judge(self) -> None:
        heard = list(dict.fromkeys(one.address for one in memory.outbox))
        assert heard == list(STEPS.values())[: len(heard)], "the steps come in their order"
        pages = [one.address for one in memory.outbox if str(one.message.reason) in ("first", "escalated")]
        assert len(pages) == len(set(pages)), "each step is told once"
        steps = LogEntry.objects.filter(alert=self.alert, verb=Verb.STEP)
        taken = 1 + steps.filter(detail__startswith="Nobody has acknowledged it").count()
        for number, after in enumerate(STEPS):
            if number < taken:
                assert self.minutes + self.silenced >= after, "no step comes before its time"
            elif not self.over:
                assert self.minutes < after + self.late + 1, "every step comes by its latest moment"
        if self.over and taken < len(STEPS):
            assert steps.filter(detail__startswith="Did not happen, since it is over").exists(), "and else says why"


@pytest.mark.django_db
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(happens=HAPPENS)
def test_steps_are_told_in_their_time_whatever_happens(settings: Settings, happens: list[tuple[str, int]]) -> None:
    settings.NOTIFIER = NOTIFIER
    memory.clear()
    logging.disable(logging.CRITICAL)  # pytest keeps every line
    try:
        with transaction.atomic():
            judge = Judge()
            for what, number in happens:
                judge.play(what, number)
            judge.play("wait", 1)
            judge.judge()
            transaction.set_rollback(True)
    finally:
        logging.disable(logging.NOTSET)
