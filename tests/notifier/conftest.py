"""What the tests with a database share: a policy of the test's own, and channels that forget between tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from pytest_django import Settings

from notifier.channels import memory
from tests.notifier.scene import Scene

CHAT: dict[str, Any] = {
    "CHANNELS": {"chat": {"BACKEND": "memory"}},
    "ROUTES": {"*": ["chat"]},
    "TZ": "UTC",
}
Configure = Callable[..., Mapping[str, Any]]


@pytest.fixture(autouse=True)
def _empty_outbox() -> Iterator[None]:
    memory.clear()
    yield
    memory.clear()


@pytest.fixture
def configure(settings: Settings) -> Configure:
    """Set NOTIFIER: everything goes to one channel in memory, unless the test says otherwise."""

    def change(**keys: Any) -> Mapping[str, Any]:
        settings.NOTIFIER = CHAT | {name.upper(): value for name, value in keys.items()}
        found: Mapping[str, Any] = settings.NOTIFIER
        return found

    return change


@pytest.fixture
def scene(configure: Configure) -> Scene:
    """The notifier with one channel in memory that hears of everything."""
    configure()
    return Scene()
