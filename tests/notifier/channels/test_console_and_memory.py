"""The doubles that ship: one shows on a terminal what another channel would send, one keeps it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings

from notifier.channels import memory
from notifier.channels.console import Console
from notifier.channels.memory import Memory
from notifier.facts import DeliveryError, Message, Reason, Result
from tests.notifier.channels.conftest import MESSAGE, message
from tests.notifier.channels.strategies import messages

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("twin", "lines"),
    [
        (
            "slack",
            [
                "slack to #payments",
                "● Critical: invoice.paid cannot be processed, database unavailable",
                "EUR 1,250.00 at risk · live · customer cus_9s6XKzkNRiz8i3 · 1 event",
                "Do: check the database first. Nothing is lost: the event is stored.",
                "Open alert 118 <https://shop.example/alerts/118?a=1&b=2>",
            ],
        ),
        ("sms", ["sms to #payments (1 segment)", "CRIT invoice.paid: database unavailable.", "k7Qp2w"]),
        (
            "email",
            ["email to #payments", "Subject: [critical] invoice.paid: database unavailable", "EUR 1,250.00 at risk"],
        ),
        ("slack_webhook", ["slack_webhook to #payments", "● Critical"]),
    ],
)
def test_shows_what_its_twin_would_send(capsys: pytest.CaptureFixture[str], twin: str, lines: list[str]) -> None:
    receipt = Console({"as": twin}).deliver("#payments", MESSAGE)

    shown = capsys.readouterr().out
    for line in lines:
        assert line in shown
    assert (receipt.provider_id, receipt.thread, receipt.parts) == ("console", "console", 1)


def test_shows_news_as_news(capsys: pytest.CaptureFixture[str]) -> None:
    Console({}).deliver("#payments", message(reason=Reason.REPEAT, thread="console", news="412 more since 14:02"))

    shown = capsys.readouterr().out
    assert "● Still open: invoice.paid" in shown
    assert "412 more since 14:02" in shown


def test_counts_the_segments_of_an_sms(capsys: pytest.CaptureFixture[str]) -> None:
    receipt = Console({"as": "sms"}).deliver("+14155552671", message(short="x" * 200))

    assert "(2 segments)" in capsys.readouterr().out
    assert receipt.parts == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(sent=messages)
def test_no_text_controls_the_terminal(capsys: pytest.CaptureFixture[str], sent: Message) -> None:
    for twin in ("slack", "sms", "email"):
        Console({"as": twin}).deliver("[bold]#payments", sent)

    shown = capsys.readouterr().out
    assert "[bold]#payments" in shown
    assert not any(ord(character) < 0x20 and character != "\n" for character in shown)


def test_memory_keeps_what_was_sent() -> None:
    receipt = Memory({}).deliver("#payments", MESSAGE)

    assert [(sent.address, sent.message) for sent in memory.outbox] == [("#payments", MESSAGE)]
    assert memory.outbox[0].receipt == receipt
    assert receipt.thread == receipt.provider_id == "memory-1"
    assert Memory({}).deliver("#payments", message(thread=receipt.thread)).thread == receipt.thread


def test_memory_finds_what_was_sent() -> None:
    channel = Memory({})
    receipt = channel.deliver("#payments", MESSAGE)

    assert channel.find("#payments", "k7Qp2w", NOW) == receipt
    assert channel.find("#payments", "other", NOW) is None
    assert channel.find("#other", "k7Qp2w", NOW) is None


def test_memory_fails_as_told_and_then_no_more() -> None:
    memory.fail_next(DeliveryError(Result.RETRY, "busy", retry_after=5.0), DeliveryError(Result.REJECTED, "gone"))
    channel = Memory({})

    for code in ("busy", "gone"):
        with pytest.raises(DeliveryError, match=code):
            channel.deliver("#payments", MESSAGE)
    channel.deliver("#payments", MESSAGE)

    assert len(memory.outbox) == 1


def test_memory_forgets() -> None:
    memory.fail_next(DeliveryError(Result.RETRY, "busy"))
    memory.clear()

    Memory({}).deliver("#payments", MESSAGE)
    memory.clear()

    assert memory.outbox == []
