"""What a site calls says in `help()` what it does, with every argument."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Callable

import pytest
from django.dispatch import Signal

from notifier import api
from notifier.channels.base import Channel
from webhooks import conf, handlers, signals

FUNCTIONS = (api.alert, api.resolve, api.acknowledge, api.silence, handlers.on)
SIGNALS = {name: value for name, value in vars(signals).items() if isinstance(value, Signal)}
SETTINGS = (*conf.KEYS, *conf.RETRY_KEYS, *conf.ENDPOINT_KEYS)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.__name__)
def test_a_function_says_what_each_argument_is(function: Callable[..., object]) -> None:
    shown = pydoc.plain(pydoc.render_doc(function)).partition("\n    ")[2]  # without the signature
    assert [name for name in inspect.signature(function).parameters if name not in shown] == []
    assert "Return" in shown


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_says_when_it_is_sent_and_with_what(name: str) -> None:
    shown = pydoc.plain(pydoc.render_doc(SIGNALS[name]))
    assert "Sent " in shown
    assert "instance (" in shown
    assert "A receiver that raises" in shown


def test_all_of_the_settings_are_in_the_modules_help() -> None:
    shown = pydoc.plain(pydoc.render_doc(conf)).partition("CLASSES")[0]
    assert [key for key in SETTINGS if key not in shown] == []


def test_a_channel_says_what_its_subclass_has_to_do() -> None:
    shown = pydoc.plain(pydoc.render_doc(Channel))
    assert "class Pager(Channel)" in shown
    assert "UNCERTAIN when nobody knows" in shown
