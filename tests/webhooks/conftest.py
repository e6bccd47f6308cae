"""What the tests of webhooks share: a registry of handlers and receivers that end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.conf import settings
from django.dispatch import Signal
from django.test import override_settings

from alerts_runtime.monitoring import watchdog
from tests import holding
from webhooks import handlers
from webhooks.process import attempt, failures, timeouts
from webhooks.receive import refusals

Connect = Callable[[Signal, Callable[..., Any]], None]
Change = Callable[..., None]


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing that a process remembers passes from one test to the next."""
    monkeypatch.setattr(handlers, "_handlers", [])
    handlers._matching.cache_clear()
    attempt.in_progress.take(lambda _: True)
    monkeypatch.setattr(refusals, "FLUSH_AFTER", 3600.0)  # its thread would outlive the test
    monkeypatch.setattr(watchdog, "look", lambda: None)  # likewise
    monkeypatch.setattr(timeouts, "watch", lambda: None)  # tests look themselves, and turn the clock
    failures.forget_tracebacks()
    yield
    if refusals._timer:
        refusals._timer.cancel()
    refusals._timer = None
    refusals._counts.clear()
    refusals._last_at.clear()
    handlers._matching.cache_clear()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect a receiver until the end of the test."""
    connected: list[tuple[Signal, Callable[..., Any]]] = []

    def _connect(signal: Signal, receiver: Callable[..., Any]) -> None:
        signal.connect(receiver, weak=False)
        connected.append((signal, receiver))

    yield _connect
    for signal, receiver in connected:
        signal.disconnect(receiver)


@pytest.fixture
def webhooks_settings() -> Iterator[Change]:
    """Change keys of settings.WEBHOOKS until the end of the test."""
    with ExitStack() as stack:

        def change(**keys: Any) -> None:
            stack.enter_context(override_settings(WEBHOOKS={**settings.WEBHOOKS, **keys}))

        yield change


def die() -> None:
    """As tests.holding, and what this process held is forgotten with it."""
    attempt.in_progress.take(lambda _: True)
    holding.die()
