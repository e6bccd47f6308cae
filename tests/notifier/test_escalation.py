"""Who is told when nobody answers: steps, acknowledgements, empty steps and the last resort, on a clock that a test
moves."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import django
import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db.models import Min
from pytest_django import Settings

from notifier.answers.commands import Asker, Command, Verb
from notifier.answers.door import answer
from notifier.channels import memory
from notifier.config.conf import get_policy, parse
from notifier.delivery import tick
from notifier.facts import Severity
from notifier.flow import escalations, pipeline, silences
from notifier.models import Alert, Escalation, Notification
from notifier.models import Target as TargetRow
from notifier.outbox import set_aside, starting, targets
from tests.notifier.conftest import Configure
from tests.notifier.scene import MINUTE, NOON, SECOND, Scene, a_failure, refused, row_of
from tests.notifier.test_conf import CREDENTIALS
from tests.notifier.test_delivery import join_threads

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)

CHANNELS: dict[str, Any] = {name: {"BACKEND": "memory", "TO": [name]} for name in ("first", "second", "third", "boss")}
ROUTE: dict[str, Any] = {
    "name": "page",
    "to": ["first"],
    "escalate": [{"after": "10m", "to": ["second"]}, {"after": "25m", "to": ["third", "boss"]}],
}


def route(**changes: Any) -> list[dict[str, Any]]:
    return [ROUTE | changes]


@pytest.fixture
def site(configure: Configure, settings: Settings) -> Scene:
    settings.ADMINS = ["admin@example.com" if django.VERSION >= (6, 0) else ("", "admin@example.com")]
    configure(channels=CHANNELS, routes=route())
    return Scene()


def live(scene: Scene, minutes: float, step: timedelta | None = None) -> list[tuple[float, str, str]]:
    """Time passes with the workers at work, in the minutes in which something is due, or in steps: the minute, the
    recipient and the reason of each message.
    """
    heard = [*_heard(scene)]
    end = scene.now + timedelta(minutes=minutes)
    while scene.now < end:
        scene.clock.step(min(step or _until_something_is_due(scene), end - scene.now))
        heard += _heard(scene)
    return heard


def _until_something_is_due(scene: Scene) -> timedelta:
    planned = [
        model._default_manager.filter(**{f"{name}__gt": scene.now}).aggregate(at=Min(name))["at"]
        for model, name in ((Escalation, "due_at"), (Notification, "due_at"), (TargetRow, "next_at"))
    ]
    waits = min((at for at in planned if at), default=scene.now + DAY) - scene.now
    return max(MINUTE, -(-waits // MINUTE) * MINUTE)


def _heard(scene: Scene) -> Iterator[tuple[float, str, str]]:
    tick.escalate(scene.now)
    for one in scene.deliver():
        yield (scene.now - NOON) / MINUTE, one.address, str(one.message.reason)


def say(scene: Scene, alert: Alert, verb: Verb) -> None:
    assert answer(Command(verb, alert.pk), Asker("ada", "page"), scene.now).changed


def letters() -> list[str]:
    """The subjects of what the site's admins were sent."""
    join_threads("last-resort")
    return [str(one.subject) for one in mail.outbox]


PAGES = [(0, "first", "first"), (10, "second", "escalated"), (25, "third", "escalated"), (25, "boss", "escalated")]


def test_unanswered_every_step_is_told_at_its_time_and_then_the_last_resort(site: Scene) -> None:
    site.alert()
    assert live(site, 39) == PAGES
    assert letters() == []
    live(site, 1)
    [letter] = letters()
    assert "Nobody has acknowledged it: invoice.paid cannot be processed" in letter
    assert live(site, 300) == []
    assert Escalation.objects.get().due_at is None


def test_a_step_says_why_it_comes_and_who_was_told(site: Scene) -> None:
    site.alert()
    live(site, 10)
    said = memory.outbox[-1].message
    assert said.news == "Still open after 10 min, not acknowledged; told before: first 12:00 UTC"
    assert 'Sent because: nobody has acknowledged it, step 1 of 2 (route "page")' in said.footer


@pytest.mark.parametrize("minute", [0, 5, 9, 12, 24])
def test_an_acknowledgement_stops_the_steps(site: Scene, minute: float) -> None:
    alert = site.alert()
    live(site, minute)
    assert pipeline.acknowledge(alert, "ada", site.now, site.now + 60 * MINUTE)
    assert live(site, 59) == []
    # When it runs out what was left of the step's time goes on.
    left = [(at + 60, who, why) for at, who, why in PAGES if at > minute]
    assert live(site, 41) == left


def test_a_page_that_is_due_when_somebody_acknowledges_waits_for_the_end(site: Scene) -> None:
    alert = site.alert()
    live(site, 9)
    site.clock.step(MINUTE)
    tick.escalate(site.now)  # the page is planned, and not yet sent
    pipeline.acknowledge(alert, "ada", site.now, site.now + 30 * MINUTE)
    assert live(site, 29) == []
    assert row_of(alert, "second:second").held_words == "acknowledged"
    assert live(site, 1) == [(40, "second", "escalated")]


def test_taken_back_the_steps_go_on_with_what_was_left(site: Scene) -> None:
    alert = site.alert()
    live(site, 4)
    say(site, alert, Verb.ACKNOWLEDGE)
    assert live(site, 60) == [(4, "first", "answered")]
    say(site, alert, Verb.TAKE_BACK)
    assert live(site, 6) == [(64, "first", "answered"), (70, "second", "escalated")]


def test_who_is_to_be_paged_again_sees_at_once_that_somebody_has_it(site: Scene, configure: Configure) -> None:
    configure(channels=CHANNELS, routes=route(escalate=[{"after": "10m", "to": ["first", "second"]}]))
    alert = site.alert()
    live(site, 9)
    site.clock.step(MINUTE)
    tick.escalate(site.now)  # both pages are planned, and not yet sent
    say(site, alert, Verb.ACKNOWLEDGE)
    assert live(site, 1) == [(10, "first", "answered")]
    say(site, alert, Verb.TAKE_BACK)
    pages = [one for one in live(site, 1) if one[2] == "escalated"]
    assert pages == [(11, "first", "escalated"), (11, "second", "escalated")]


def test_the_claim_of_a_send_asks_for_an_acknowledgement(site: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 14: it was judged before, and is claimed after somebody took the alert."""
    alert = site.alert()
    live(site, 9)
    site.clock.step(MINUTE)
    tick.escalate(site.now)
    start = starting.start

    def acknowledged_just_before(*args: Any) -> Any:
        monkeypatch.undo()
        pipeline.acknowledge(alert, "ada", site.now, site.now + 30 * MINUTE)
        return start(*args)

    monkeypatch.setattr(starting, "start", acknowledged_just_before)
    assert [one.address for one in site.deliver()] == []
    assert row_of(alert, "second:second").told_at is None
    assert live(site, 30) == [(40, "second", "escalated")]


def test_a_worse_alert_than_was_acknowledged_goes_on_with_the_step_s_time(site: Scene) -> None:
    alert = site.alert(will_retry=True)
    live(site, 4)
    pipeline.acknowledge(alert, "ada", site.now, site.now + 300 * MINUTE)
    live(site, 56)
    Alert.objects.filter(pk=alert.pk).update(severity=Severity.CRITICAL, planned_for="")
    site.fail()  # counted on it: the plan is made anew
    heard = live(site, 25)
    assert (60, "first", "raised") in heard
    assert [one for one in heard if one[2] == "escalated"] == [
        (70, "second", "escalated"), (85, "third", "escalated"), (85, "boss", "escalated"),
    ]  # fmt: skip


def test_what_is_over_escalates_no_more_and_all_who_were_told_hear_it(site: Scene) -> None:
    failure = a_failure(site.now)
    pipeline.failed(failure, site.now)
    live(site, 12)
    site.recover(failure.event_id)
    assert live(site, 60) == [(12, "first", "resolved"), (12, "second", "resolved")]


def test_what_opens_again_begins_with_the_first_page(site: Scene) -> None:
    failure = a_failure(site.now)
    pipeline.failed(failure, site.now)
    live(site, 12)
    site.recover(failure.event_id)
    live(site, 3)
    site.fail()
    heard = live(site, 30)
    assert [one for one in heard if one[1] != "first"] == [
        (25, "second", "escalated"), (40, "third", "escalated"), (40, "boss", "escalated"),
    ]  # fmt: skip


def test_steps_are_repeated_from_the_first_page_on(site: Scene, configure: Configure) -> None:
    configure(channels=CHANNELS, routes=route(repeat_steps=1))
    site.alert()
    again = [(at + 40, who, "escalated") for at, who, _ in PAGES]
    assert live(site, 79) == PAGES + again
    said = memory.outbox[-4].message
    assert any("the first page, round 2 of 2" in line for line in said.footer)
    assert letters() == []
    live(site, 1)
    assert letters()


def test_the_last_resort_has_a_time_and_channels_of_its_own(site: Scene, configure: Configure) -> None:
    steps = [{"after": "10m", "to": "second"}, {"after": "1h", "to": "boss", "last_resort": True}]
    configure(channels=CHANNELS, routes=route(escalate=steps))
    site.alert()
    assert live(site, 60) == [PAGES[0], PAGES[1], (60, "boss", "escalated")]
    assert letters()
    assert any(", the last resort" in line for line in memory.outbox[-1].message.footer)


# --- steps that reach nobody --------------------------------------------------------------------------------------


def test_a_step_without_anybody_goes_on_at_once(site: Scene, configure: Configure) -> None:
    """Rule 10."""
    configure(channels=CHANNELS | {"second": {"BACKEND": "memory"}}, routes=route())
    set_aside.set_aside(targets.row_of(get_policy().channels["second"].targets[0]).pk, refused(dead=True), site.now)
    site.alert()
    assert live(site, 12) == [PAGES[0], (10, "third", "escalated"), (10, "boss", "escalated")]


def test_a_first_page_without_anybody_is_not_waited_for(site: Scene) -> None:
    set_aside.set_aside(targets.row_of(get_policy().channels["first"].targets[0]).pk, refused(dead=True), site.now)
    site.alert()
    assert (0, "second", "escalated") in live(site, 0)


def test_nobody_at_all_is_the_last_resort_s_at_once(site: Scene) -> None:
    for channel in get_policy().channels.values():
        set_aside.set_aside(targets.row_of(channel.targets[0]).pk, refused(dead=True), site.now)
    site.alert()
    live(site, 0)
    assert any("Nobody has acknowledged it" in one for one in letters())


def test_who_stands_in_is_paged_for_the_step(site: Scene, configure: Configure) -> None:
    channels = CHANNELS | {"second": {"BACKEND": "memory", "TO": ["second"], "FAILOVER": "boss"}}
    configure(channels=channels, routes=route())
    set_aside.set_aside(targets.row_of(get_policy().channels["second"].targets[0]).pk, refused(dead=True), site.now)
    site.alert()
    live(site, 9)
    memory.fail_next(refused())  # a message tries from time to time whether it can be reached again
    assert live(site, 2) == [(10, "boss", "escalated")]


# --- a step that asks each ------------------------------------------------------------------------------------------

PEOPLE: dict[str, Any] = {
    "ana": {"NAME": "Ana", "ADDRESSES": {"memory": "second"}},
    "ben": {"NAME": "Ben", "ADDRESSES": {"memory": "third"}},
}


@pytest.fixture
def asked(site: Scene, configure: Configure) -> Alert:
    """Ana and Ben have both been asked to answer, five minutes ago."""
    steps = [{"after": "10m", "to": ["second", "third"], "each": True}, {"after": "20m", "to": "boss"}]
    configure(channels=CHANNELS, people=PEOPLE, routes=route(escalate=steps))
    alert = site.alert()
    live(site, 15)
    return alert


def by(scene: Scene, alert: Alert, person: str) -> str:
    return answer(Command(Verb.ACKNOWLEDGE, alert.pk), Asker(person, "page"), scene.now).sentence


def test_the_steps_go_on_until_each_has_answered(site: Scene, asked: Alert) -> None:
    """Rule 15: who answers does not stop the others' pages."""
    by(site, asked, "Ana")
    heard = live(site, 5)
    assert [one for one in heard if one[2] == "escalated"] == [(20, "boss", "escalated")]
    told = next(one.message for one in memory.outbox if one.address == "boss")
    assert any("not everybody who was asked has acknowledged it, step 2 of 2" in line for line in told.footer)
    assert said(asked)[-1][1] == "Not everybody who was asked has acknowledged it: step 2 of 2 is told (boss)"


def test_when_each_has_answered_the_steps_stop(site: Scene, asked: Alert) -> None:
    by(site, asked, "Ana")
    live(site, 1)
    assert "acknowledged until" in by(site, asked, "Ben")
    assert [one for one in live(site, 60) if one[2] == "escalated"] == []
    assert "Ana acknowledged it" in by(site, asked, "Ben")  # again: it is so already


def test_who_was_not_asked_does_not_answer_for_them(site: Scene, asked: Alert) -> None:
    by(site, asked, "Cleo")
    by(site, asked, "Ana")
    assert (20, "boss", "escalated") in live(site, 5)


def test_who_has_answered_is_not_paged_again(site: Scene, asked: Alert, configure: Configure) -> None:
    steps = [{"after": "10m", "to": ["second", "third"], "each": True}]
    configure(channels=CHANNELS, people=PEOPLE, routes=route(escalate=steps, repeat_steps=1))
    by(site, asked, "Ana")
    pages = [(at, who) for at, who, why in live(site, 20) if why == "escalated"]
    assert pages == [(20, "first"), (30, "third")]


def test_what_each_answered_is_nothing_when_it_is_taken_back(site: Scene, asked: Alert) -> None:
    by(site, asked, "Ana")
    by(site, asked, "Ben")
    live(site, 10)
    say(site, asked, Verb.TAKE_BACK)
    by(site, asked, "Ben")
    assert (30, "boss", "escalated") in live(site, 5)


# --- what holds an alert ------------------------------------------------------------------------------------------


def test_the_time_under_a_silence_does_not_count(site: Scene) -> None:
    row = silences.silence({"event": "*"}, until=site.now + 60 * MINUTE, author="ada", comment="deploy", now=site.now)
    site.alert()
    assert live(site, 30) == []
    silences.end(row, site.now)
    heard = live(site, 41)
    assert heard[0] == (30, "first", "first")
    # Its first step's time began when the silence ended, or at the next look within a minute.
    assert [who for _, who, _ in heard] == ["first", "second", "third", "boss"]
    assert 40 <= heard[1][0] <= 41


# --- restarts, other workers, other settings ------------------------------------------------------------------------


def test_workers_that_were_away_take_one_step_and_the_next_has_its_whole_time(site: Scene) -> None:
    """Rule 13."""
    site.alert()
    live(site, 1)
    site.clock.step(120 * MINUTE)
    assert live(site, 15) == [
        (121, "second", "escalated"), (136, "third", "escalated"), (136, "boss", "escalated"),
    ]  # fmt: skip


def test_many_workers_take_a_step_once(site: Scene) -> None:
    site.alert()
    live(site, 9)
    site.clock.step(MINUTE)
    for _ in range(5):
        tick.escalate(site.now)
    assert [one.address for one in site.deliver()] == ["second"]
    assert Escalation.objects.get().level == 1


def test_steps_that_are_gone_from_the_settings_end_with_the_last_resort(site: Scene, configure: Configure) -> None:
    site.alert()
    live(site, 11)
    configure(channels=CHANNELS, routes=route(escalate=[{"after": "10m", "to": "second"}]))
    assert live(site, 30) == []
    assert letters()


def test_a_route_of_another_name_goes_on_where_the_old_one_was(site: Scene, configure: Configure) -> None:
    site.alert()
    live(site, 11)
    configure(channels=CHANNELS, routes=route(name="wake"))
    assert live(site, 15) == PAGES[2:]


def test_routes_without_steps_escalate_nothing(site: Scene, configure: Configure) -> None:
    configure(channels=CHANNELS, routes=[{"to": "first", "wait": "2m"}])
    site.alert()
    assert live(site, 60) == [(2, "first", "first")]
    assert not Escalation.objects.exists()


def test_steps_count_from_the_first_page_when_that_waits(site: Scene, configure: Configure) -> None:
    configure(channels=CHANNELS, routes=route(wait="2m"))
    site.alert()
    assert live(site, 30) == [(at + 2, who, why) for at, who, why in PAGES]


def test_a_step_that_is_asked_for_comes_at_once(site: Scene) -> None:
    alert = site.alert()
    live(site, 2)
    say(site, alert, Verb.ACKNOWLEDGE)
    live(site, 1)
    found = answer(Command(Verb.ESCALATE, alert.pk), Asker("ada", "page"), site.now)
    assert found.sentence == f"Alert {alert.pk}: escalated, to second."
    heard = live(site, 15)
    assert heard[:2] == [(3, "first", "answered"), (3, "second", "escalated")]
    assert heard[-2:] == [(18, "third", "escalated"), (18, "boss", "escalated")]
    assert "ada escalated it on its page, to second" in memory.outbox[2].message.news


def test_there_may_be_no_step_to_ask_for(site: Scene, configure: Configure) -> None:
    configure(channels=CHANNELS, routes={"*": ["first"]})
    alert = site.alert()
    say(site, alert, Verb.ACKNOWLEDGE)
    found = answer(Command(Verb.ESCALATE, alert.pk), Asker("ada", "page"), site.now)
    assert found.sentence == f"Alert {alert.pk}: no step of escalation is left."
    alert.refresh_from_db()
    assert alert.acknowledged_by == "ada"


# --- the alert's log ------------------------------------------------------------------------------------------------


def said(alert: Alert) -> list[tuple[float, str]]:
    return [((one.at - NOON) / MINUTE, one.detail) for one in alert.log.filter(verb=Verb.STEP).order_by("pk")]


def test_the_log_shows_each_step(site: Scene) -> None:
    alert = site.alert()
    live(site, 60)
    assert said(alert) == [
        (10, "Nobody has acknowledged it: step 1 of 2 is told (second)"),
        (25, "Nobody has acknowledged it: step 2 of 2 is told (third, boss)"),
        (40, "Nobody has acknowledged it: the last resort is told (the log, ADMINS)"),
    ]


def test_the_log_shows_the_steps_that_did_not_happen_and_why(site: Scene) -> None:
    set_aside.set_aside(targets.row_of(get_policy().channels["second"].targets[0]).pk, refused(dead=True), site.now)
    failure = a_failure(site.now)
    recorded = pipeline.failed(failure, site.now)
    assert recorded is not None
    alert = Alert.objects.get(pk=recorded.alert_id)
    live(site, 5)
    say(site, alert, Verb.ACKNOWLEDGE)
    live(site, 5)
    say(site, alert, Verb.TAKE_BACK)
    live(site, 10)
    site.recover(failure.event_id)
    assert said(alert) == [
        (5, "Step 1 of 2 waits: acknowledged by ada"),
        (15, "Step 1 of 2 reaches nobody, so the next one comes at once (second: set aside: gone: not taken)"),
        (15, "Nobody has acknowledged it: step 2 of 2 is told (third, boss)"),
        (20, "Did not happen, since it is over: the last resort"),
    ]


def test_the_log_says_once_what_holds_the_steps(site: Scene) -> None:
    row = silences.silence({"event": "*"}, until=site.now + 60 * MINUTE, author="ada", comment="deploy", now=site.now)
    alert = site.alert()
    live(site, 30)
    assert said(alert) == [(10, f"Step 1 of 2 waits: silence {row.pk}")]


def test_a_clock_that_is_stepped_back_makes_nobody_wait(site: Scene) -> None:
    site.alert()
    live(site, 5)
    back = 3 * 60 * MINUTE
    site.clock.at -= back
    escalations.bring_forward(back, site.now)
    heard = live(site, 5)
    assert [who for _, who, _ in heard] == ["second"]


def test_a_person_told_by_every_step_hears_each(site: Scene, configure: Configure) -> None:
    steps = [{"after": "5m", "to": "first"}, {"after": "10m", "to": "first"}]
    configure(channels=CHANNELS, routes=route(escalate=steps))
    site.alert()
    assert live(site, 14) == [PAGES[0], (5, "first", "escalated"), (10, "first", "escalated")]


def test_steps_are_told_within_a_second(site: Scene) -> None:
    site.alert()
    live(site, 9.9)
    assert live(site, 0.2, step=SECOND)[0][0] <= 10 + 1 / 60


def test_a_worse_alert_is_escalated_by_the_route_that_takes_it_then(site: Scene, configure: Configure) -> None:
    milder = {
        "name": "milder",
        "match": {"severity": "error"},
        "to": "first",
        "escalate": [{"after": "20m", "to": "boss"}],
    }
    configure(channels=CHANNELS, routes=[milder, ROUTE])
    alert = site.alert()
    live(site, 5)
    Alert.objects.filter(pk=alert.pk).update(severity=Severity.CRITICAL, planned_for="")
    site.fail()
    pages = [(at, who) for at, who, why in live(site, 30) if why == "escalated"]
    assert pages == [(15, "second"), (30, "third"), (30, "boss")]
    assert said(alert)[0] == (
        5,
        "Did not happen, since another route escalates it now: step 1 of 1 (boss); the last resort",
    )


def test_what_another_route_told_somebody_is_no_page_of_this_one(site: Scene, configure: Configure) -> None:
    milder = [{"after": "2m", "to": "boss"}, {"after": "4m", "to": "second"}]
    routes = [{"name": "milder", "match": {"severity": "error"}, "to": "first", "escalate": milder}, ROUTE]
    configure(channels=CHANNELS, routes=routes)
    alert = site.alert()
    live(site, 5)
    Alert.objects.filter(pk=alert.pk).update(severity=Severity.CRITICAL, planned_for="")
    site.fail()
    assert (15, "second", "escalated") in live(site, 10)


# --- the dry run ----------------------------------------------------------------------------------------------------

AT = ("--event", "invoice.paid", "--exception", "KeyError", "--at", "2026-11-23T12:00+00:00")


def run_route(*arguments: str) -> str:
    out = StringIO()
    call_command("route", *AT, *arguments, stdout=out)
    return out.getvalue()


def test_the_dry_run_shows_each_step_and_writes_nothing(site: Scene) -> None:
    set_aside.set_aside(targets.row_of(get_policy().channels["second"].targets[0]).pk, refused(dead=True), site.now)
    said = run_route().split("While nobody acknowledges it\n")[1].splitlines()
    assert said == [
        "    2026-11-23 12:10:00 UTC: second (reaches nobody, so the next one comes at once: "
        "second: set aside: gone: not taken)",
        "    2026-11-23 12:10:00 UTC: third, boss",
        "    2026-11-23 12:25:00 UTC: the last resort: the log, and ADMINS by mail",
    ]
    assert not Escalation.objects.exists()


@pytest.mark.parametrize(
    ("expect", "wrong"),
    [
        ("10m second; 25m third,boss", None),
        ("10m second", "they would be 10 min second; 25 min boss,third"),
        ("11m second; 25m third,boss", "Expected the steps 11m second"),
        ("", "they would be"),
        ("10 second", "no unit"),
    ],
)
@pytest.mark.usefixtures("site")
def test_the_dry_run_compares_the_steps_with_what_is_expected(expect: str, wrong: str | None) -> None:
    if wrong is None:
        run_route("--expect-steps", expect)
        return
    with pytest.raises(CommandError, match=wrong):
        run_route("--expect-steps", expect)


def test_the_page_s_example_has_no_problem() -> None:
    """docs/howto/escalation.md: what people copy."""
    page = (Path(__file__).parents[2] / "docs" / "howto" / "escalation.md").read_text()
    [code] = re.findall(r"   ```python\n(   NOTIFIER = .*?)   ```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(textwrap.dedent(code), names)  # noqa: S102 - the project's own documentation
    policy, problems = parse(names["NOTIFIER"], CREDENTIALS.get)
    assert problems == []
    assert policy is not None
    assert [level.at / MINUTE for level in policy.routes[0].levels] == [0, 15, 30, 45, 60, 75, 105]
