"""A provider, or somebody in its place, that answers without end costs neither memory nor time, nor the message."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from notifier.facts import Result
from tests import fakes
from tests.notifier.channels.conftest import HTTP_KINDS, Rig

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
