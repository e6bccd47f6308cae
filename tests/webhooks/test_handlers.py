"""handlers: who runs for which event, and what cannot be a handler."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured

from webhooks.events import StripeEvent
from webhooks.handlers import autodiscover, matching, on


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
