"""A provider, or somebody in its place, that answers without end costs neither memory nor time, nor the message."""

from __future__ import annotations

import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from notifier.facts import DeliveryError, Result
from tests import fakes
from tests.notifier.channels.conftest import HTTP_KINDS, MESSAGE, Rig
from tests.notifier.channels.test_email import SMTP, email

FLOOD = 60_000_000  # bytes
MUCH = FLOOD / 3


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("kind", HTTP_KINDS)
@pytest.mark.parametrize("broken", ["flood", "bomb"])
@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_is_read_up_to_a_limit(
    kind: str,
    broken: str,
    status: int,
    rig: Callable[[str], Rig],
    peak: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fakes, "FLOOD", FLOOD)
    one = rig(kind)
    one.fake.script({"broken": broken, "status": status})

    error = one.fails()

    assert error.result in (Result.UNCERTAIN, Result.RETRY)
    # Slack's client and Amazon's decompress nothing, so to them a bomb is a short answer of somebody else's.
    if status == 200 and not kind.startswith("slack"):
        assert error.result is Result.UNCERTAIN, "it may have been taken"
    assert peak() < MUCH
    if broken == "flood":
        assert one.fake.flooded < FLOOD / 4


STAGES: dict[str, list[bytes]] = {
    "the greeting": [],
    "EHLO": [b"220 hi\r\n"],
    "MAIL": [b"220 hi\r\n", b"250 hi\r\n"],
    "the end of DATA": [b"220 hi\r\n", *[b"250 hi\r\n"] * 3, b"354 go on\r\n"],
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_mail_server_is_heard_up_to_a_limit(
    stage: str, backend: Callable[..., None], peak: Callable[[], int]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sent: list[int] = []
        talk = threading.Thread(target=_answer_without_end, args=(server, STAGES[stage], sent))
        talk.start()
        backend(SMTP, host="127.0.0.1", port=server.getsockname()[1])
        with pytest.raises(DeliveryError) as caught:
            email().deliver("oncall@shop.example", MESSAGE)
        talk.join(10)
    assert caught.value.result is (Result.UNCERTAIN if "DATA" in stage else Result.RETRY)
    assert peak() < MUCH
    assert sum(sent) < FLOOD / 4


def _answer_without_end(server: socket.socket, first: list[bytes], sent: list[int]) -> None:
    wire, _ = server.accept()
    with wire, suppress(OSError):
        for line in first:
            wire.sendall(line)
            while not wire.recv(65_536).endswith(b"\r\n.\r\n" if line.startswith(b"354") else b"\r\n"):
                pass
        while sum(sent) < FLOOD:
            sent.append(wire.send(b"250-" + b"a" * 4000 + b"\r\n"))
