"""handlers: who runs for which event, and what cannot be a handler."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial, wraps
from itertools import starmap
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured

from webhooks import samples
from webhooks.events import StripeEvent, parse
from webhooks.exceptions import NotRun
from webhooks.handlers import autodiscover, matching, on, run


@pytest.mark.parametrize(
    ("pattern", "event_type", "runs"),
    [
        ("invoice.paid", "invoice.paid", True),
        ("invoice.paid", "invoice.paid.late", False),
        ("invoice.*", "invoice.paid", True),
        ("invoice.*", "invoiceitem.created", False),
        ("*", "charge.failed", True),
        ("*.failed", "payout.failed", True),
        ("customer.?ource.*", "customer.source.created", True),
        ("Invoice.paid", "invoice.paid", False),
        ("v2.core.account[requirements].updated", "v2.core.account[requirements].updated", True),
        ("v2.core.account[*].updated", "v2.core.account[identity].updated", True),
        ("v2.core.account[requirements].updated", "v2.core.accountr.updated", True),  # also a glob's character class
    ],
)
def test_patterns_are_exact_types_or_globs(pattern: str, event_type: str, runs: bool) -> None:
    @on(pattern)
    def handle(event: StripeEvent) -> None: ...

    assert bool(matching(event_type)) is runs


def test_handlers_run_in_the_order_of_registration_and_once_each() -> None:
    @on("charge.*")
    def first(event: StripeEvent) -> None: ...

    @on("*", "charge.failed", "charge.f*")
    def second(event: StripeEvent) -> None: ...

    assert [handler.function for handler in matching("charge.failed")] == [first, second]
    on("charge.failed")(first)
    assert [handler.function for handler in matching("charge.failed")] == [first, second]


def test_registering_again_adds_patterns_and_a_later_handler_is_seen() -> None:
    @on("a")
    @on("b")
    def handle(event: StripeEvent) -> None: ...

    assert matching("c") == ()
    on("c")(handle)
    assert [len(matching(event_type)) for event_type in "abc"] == [1, 1, 1]


def test_a_handler_may_be_outside_the_transaction_and_any_callable() -> None:
    def notify(event: StripeEvent, channel: str) -> None: ...

    on("a", atomic=False)(partial(notify, channel="x"))
    (handler,) = matching("a")
    assert not handler.atomic
    assert handler.name


async def handle_async(event: StripeEvent) -> None: ...


class AsyncHandler:
    async def __call__(self, event: StripeEvent) -> None: ...


@pytest.mark.parametrize("function", [handle_async, AsyncHandler()])
def test_an_async_handler_is_refused_and_told_what_to_do(function: object) -> None:
    with pytest.raises(TypeError, match="async_to_sync"):
        on("a")(function)  # type: ignore[type-var] # what is being tested


def handle_lazily(event: StripeEvent) -> Iterator[None]:
    yield


class LazyHandler:
    def __call__(self, event: StripeEvent) -> Iterator[None]:
        yield

    def method(self, event: StripeEvent) -> Iterator[None]:
        yield


@pytest.mark.parametrize(
    "function",
    [handle_lazily, partial(handle_lazily), LazyHandler(), LazyHandler().method, partial(LazyHandler())],
    ids=["function", "partial", "object", "method", "partial of an object"],
)
def test_a_generator_is_refused_and_told_what_to_do(function: Any) -> None:
    with pytest.raises(TypeError, match="yield"):
        on("a")(function)


@pytest.mark.parametrize("function", [partial(handle_async), partial(AsyncHandler())])
def test_a_partial_of_an_async_handler_is_refused(function: Any) -> None:
    with pytest.raises(TypeError, match="async_to_sync"):
        on("a")(function)


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot be called"):
        on("a")("handle")  # type: ignore[type-var] # what is being tested


def test_a_decorator_that_runs_the_async_function_it_wraps_is_fine() -> None:
    @wraps(handle_async)
    def handle(event: StripeEvent) -> None:
        asyncio.run(handle_async(event))

    on("a")(handle)
    on("b")(async_to_sync(handle_async))
    run(matching("a")[0], an_event())
    run(matching("b")[0], an_event())


def an_event() -> StripeEvent:
    return parse(json.dumps(samples.snapshot("a")), "default")


async def generate_async(event: StripeEvent) -> AsyncIterator[None]:
    yield


LAZY: dict[str, Callable[[StripeEvent], object]] = {
    "a lambda around an async function": lambda event: handle_async(event),
    "a lambda around a generator": lambda event: handle_lazily(event),
    "a lambda around an async generator": lambda event: generate_async(event),
    "map": lambda event: map(print, [event]),
    "zip": lambda event: zip(map(print, [event]), [1], strict=False),
    "itertools": lambda event: starmap(print, [(event,)]),
    "coroutines in a list": lambda event: [1, handle_async(event), handle_async(event)],
    "a coroutine in a dict": lambda event: {"done": handle_async(event)},
    "a generator in a tuple": lambda event: (1, handle_lazily(event)),
    "a function": lambda event: handle_lazily,
    "a partial": lambda event: partial(print, event),
    "a method": lambda event: LazyHandler().method,
    "@contextmanager": contextmanager(handle_lazily),
    "@asynccontextmanager": asynccontextmanager(generate_async),
    "a decorator": wraps(handle_async)(lambda event: handle_async(event)),
}


@pytest.mark.parametrize("name", LAZY)
@pytest.mark.filterwarnings("error")
def test_a_call_that_gives_back_work_undone_fails_and_says_why(name: str) -> None:
    on("a")(LAZY[name])
    with pytest.raises(NotRun, match="its work was not done"):
        run(matching("a")[0], an_event())
    gc.collect()  # "coroutine was never awaited" would be said now


@pytest.mark.parametrize("result", [None, 0, 5, "x", [1], {"a": 1}, object(), (1, print), open])
def test_any_other_result_is_ignored(result: object) -> None:
    on("a")(lambda event: result)
    run(matching("a")[0], an_event())


def test_a_decorator_without_event_types_is_refused() -> None:
    with pytest.raises(TypeError, match="Say which events"):
        on()
    with pytest.raises(TypeError, match="Say which events"):

        @on  # type: ignore[arg-type] # what is being tested
        def handle(event: StripeEvent) -> None: ...


def _app(folder: Path, name: str, handlers: str) -> AppConfig:
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "stripe_handlers.py").write_text(handlers)
    return AppConfig.create(name)


def test_handlers_of_installed_apps_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    shop = _app(tmp_path, "wh_shop", "from webhooks.handlers import on\n@on('invoice.paid')\ndef pay(event): ...\n")
    monkeypatch.setattr(apps, "get_app_configs", lambda: [shop])
    autodiscover()
    autodiscover()
    assert [handler.name for handler in matching("invoice.paid")] == ["wh_shop.stripe_handlers.pay"]
    del sys.modules["wh_shop.stripe_handlers"]


def test_every_module_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    broken = [_app(tmp_path, "wh_bad_a", "import no_such_package"), _app(tmp_path, "wh_bad_b", "def (")]
    monkeypatch.setattr(apps, "get_app_configs", lambda: broken)
    with pytest.raises(ImproperlyConfigured) as raised:
        autodiscover()
    assert "wh_bad_a.stripe_handlers (ModuleNotFoundError: No module named 'no_such_package')" in str(raised.value)
    assert "wh_bad_b.stripe_handlers (SyntaxError" in str(raised.value)
