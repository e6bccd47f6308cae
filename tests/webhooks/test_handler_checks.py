"""`manage.py check` finds handlers that no event would reach, and those that no event could be given to."""

from __future__ import annotations

from typing import Any

import pytest

from webhooks.handler_checks import check_handlers
from webhooks.handlers import on


def fine(event: object) -> None: ...
def with_defaults(event: object, retries: int = 3, *, quiet: bool = False) -> None: ...
def takes_all(*args: object, **kwargs: object) -> None: ...
def takes_none() -> None: ...
def takes_two(event: object, data: object) -> None: ...
def by_name(*, event: object) -> None: ...


class Callable:
    def __call__(self, event: object) -> None: ...


@pytest.mark.parametrize("handler", [fine, with_defaults, takes_all, Callable()])
def test_what_can_be_given_an_event_is_fine(handler: Any) -> None:
    on("invoice.paid", "invoice.*", "v2.core.account[requirements].updated")(handler)
    assert check_handlers() == []


@pytest.mark.parametrize("handler", [takes_none, takes_two, by_name])
def test_what_cannot_is_an_error(handler: Any) -> None:
    on("invoice.paid")(handler)
    [message] = check_handlers()
    assert message.id == "webhooks.E010"
    assert f"{handler.__name__}(" in message.msg
    assert "cannot be called with one argument" in message.msg


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("invoice.payed", 'Did you mean "invoice.paid"?'),
        ("customer.subscription.delete", 'Did you mean "customer.subscription.deleted"?'),
        ("invoices.*", "Stripe's list"),
    ],
)
def test_a_type_that_stripe_has_not_is_doubted(pattern: str, hint: str) -> None:
    on("invoice.paid", pattern)(fine)
    [message] = check_handlers()
    assert message.id == "webhooks.W009"
    assert f"@on({pattern!r})" in message.msg
    assert hint in (message.hint or "")
