"""Who was told that an alert began and can no longer be reached: whoever stands in hears that it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from notifier.channels import memory
from notifier.facts import DeliveryError, Message, Reason, Receipt
from notifier.flow import pipeline
from notifier.outbox import set_aside
from tests.notifier.conftest import Configure
from tests.notifier.scene import HOUR, MINUTE, Scene, busy, refused, row_of, target_row

pytestmark = pytest.mark.django_db

PAIR: dict[str, Any] = {
    "channels": {"chat": {"BACKEND": "memory", "FAILOVER": "page"}, "page": {"BACKEND": "memory"}},
    "routes": {"*": ["chat"]},
}
ALONE: dict[str, Any] = {"channels": {"chat": {"BACKEND": "memory"}}, "routes": {"*": ["chat"]}}


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the last resort mails: (headline, text)."""
    heard: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "alerts_runtime.isolation.last_resort.mail", lambda cause, headline, text: heard.append((headline, text))
    )
    return heard


def heard(sent: list[memory.Sent]) -> list[tuple[str, Reason]]:
    return [(one.address, one.message.reason) for one in sent]


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The addresses that nothing reaches, also what tries whether it does."""
    addresses: set[str] = set()
    send = memory.Memory.send

    def send_or_not(channel: memory.Memory, address: str, message: Message) -> Receipt:
        if address in addresses:
            raise refused(dead=True)
        return send(channel, address, message)

    monkeypatch.setattr(memory.Memory, "send", send_or_not)
    return addresses


@pytest.fixture
def dies(scene: Scene, gone: set[str]) -> Callable[[str], None]:
    def die(address: str) -> None:
        gone.add(address)
        set_aside.set_aside(target_row(f"{address}:{address}").pk, refused(dead=True), scene.now)

    return die


def test_the_stand_in_of_a_channel_that_died_hears_that_it_is_over(
    scene: Scene, configure: Configure, dies: Callable[[str], None]
) -> None:
    configure(**PAIR)
    alert = scene.alert(event_id="evt_a")
    assert heard(scene.deliver()) == [("chat", Reason.FIRST)]
    dies("chat")
    scene.recover("evt_a")
    sent = scene.deliver()
    assert heard(sent) == [("page", Reason.RESOLVED)]
    assert "chat" in str(sent[0].message)
    assert row_of(alert, "page:page").told_resolved
    assert scene.pass_time(2 * HOUR) == []


@pytest.mark.parametrize("answer", [refused(), refused(dead=True)], ids=["refused", "gone"])
def test_an_end_that_is_refused_goes_to_the_stand_in(scene: Scene, configure: Configure, answer: DeliveryError) -> None:
    configure(**PAIR)
    scene.fail(event_id="evt_a")
    scene.deliver()
    scene.recover("evt_a")
    memory.fail_next(answer)
    assert heard(scene.deliver()) == [("page", Reason.RESOLVED)]


def test_an_end_that_cannot_be_delivered_for_long_goes_to_the_stand_in(scene: Scene, configure: Configure) -> None:
    configure(**PAIR)
    scene.fail(event_id="evt_a")
    scene.deliver()
    scene.recover("evt_a")
    send = memory.Memory.send

    def answers(channel: memory.Memory, address: str, message: Any) -> Any:
        if address == "chat":
            raise busy()
        return send(channel, address, message)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(memory.Memory, "send", answers)
        sent = scene.pass_time(HOUR, MINUTE)
    assert heard(sent) == [("page", Reason.RESOLVED)]


def test_a_stand_in_that_never_got_to_hear_the_beginning_hears_the_end(
    scene: Scene, configure: Configure, dies: Callable[[str], None]
) -> None:
    """Its quiet hours held what it was to hear in the other's place until that was over."""
    configure(**PAIR, quiet_hours={"noon": {"HOURS": "12:00-12:30", "CHANNELS": ["page"]}})
    scene.fail(event_id="evt_a")
    scene.deliver()
    dies("chat")
    scene.fail(event_id="evt_b")
    assert scene.pass_time(10 * MINUTE) == []
    scene.recover("evt_a")
    scene.recover("evt_b")
    assert heard(scene.pass_time(HOUR)) == [("page", Reason.RESOLVED)]


def test_who_heard_it_in_the_others_place_hears_the_end_once(
    scene: Scene, configure: Configure, dies: Callable[[str], None]
) -> None:
    configure(**PAIR)
    scene.fail(event_id="evt_a")
    scene.deliver()
    dies("chat")
    scene.fail(event_id="evt_b")
    assert heard(scene.pass_time(10 * MINUTE)) == [("page", Reason.FIRST)]
    scene.recover("evt_a")
    scene.recover("evt_b")
    assert heard(scene.pass_time(HOUR)) == [("page", Reason.RESOLVED)]


def test_nobody_hears_the_end_of_what_nobody_was_told(
    scene: Scene, configure: Configure, dies: Callable[[str], None], mails: list[Any]
) -> None:
    configure(**PAIR)
    scene.fail(event_id="evt_a")
    dies("chat")
    scene.recover("evt_a")
    assert scene.pass_time(HOUR) == []
    assert mails == []


def test_the_last_resort_hears_that_it_is_over_where_nobody_stands_in(
    scene: Scene, configure: Configure, dies: Callable[[str], None], mails: list[tuple[str, str]]
) -> None:
    configure(**ALONE)
    alert = scene.alert(event_id="evt_a")
    scene.deliver()
    dies("chat")
    scene.recover("evt_a")
    assert scene.pass_time(HOUR) == []
    assert len(mails) == 1
    headline, text = mails[0]
    assert headline == f"[over] {alert.headline}"
    assert "is over (by retry)" in text
    assert "Fix" not in text


def test_two_channels_that_are_both_dead_end_at_the_last_resort(
    scene: Scene, configure: Configure, dies: Callable[[str], None], mails: list[tuple[str, str]]
) -> None:
    configure(
        channels={"chat": {"BACKEND": "memory", "FAILOVER": "page"}, "page": {"BACKEND": "memory", "FAILOVER": "chat"}},
        routes={"*": ["chat"]},
    )
    scene.fail(event_id="evt_a")
    scene.deliver()
    scene.fail(event_type="payout.failed", event_id="evt_b")
    dies("chat")
    scene.deliver()
    dies("page")
    scene.recover("evt_a")
    scene.pass_time(HOUR)
    assert [headline.split("]")[0] for headline, _ in mails] == ["[over"]


def test_what_opens_again_is_told_to_who_heard_the_end(
    scene: Scene, configure: Configure, dies: Callable[[str], None]
) -> None:
    configure(**PAIR)
    scene.fail(event_id="evt_a")
    scene.deliver()
    dies("chat")
    scene.recover("evt_a")
    scene.deliver()
    scene.fail(event_id="evt_b")
    assert {address for address, _ in heard(scene.pass_time(20 * MINUTE))} == {"page"}


def test_who_took_the_place_of_a_removed_recipient_hears_that_it_is_over(scene: Scene, configure: Configure) -> None:
    configure(channels={"chat": {"BACKEND": "memory", "TO": ["ada"]}}, routes={"*": ["chat"]})
    alert = scene.alert(event_id="evt_a")
    scene.deliver()
    configure(channels={"chat": {"BACKEND": "memory", "TO": ["bob"]}}, routes={"*": ["chat"]})
    pipeline.resolve(alert, "by hand", scene.now)
    assert heard(scene.pass_time(2 * MINUTE)) == [("bob", Reason.RESOLVED)]
