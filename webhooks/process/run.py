"""Runs an event's handlers: those outside any transaction first, then the others in the one that marks it processed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from alerts_runtime.database.serialization import until_serialized
from alerts_runtime.leasing import clock
from webhooks import events, signals
from webhooks.events import StripeEvent
from webhooks.exceptions import LeaseLost, NotRun
from webhooks.handlers import Handler, not_run, run
from webhooks.models import WebhookEvent
from webhooks.process import claim, settle
from webhooks.process.attempt import Attempt
from webhooks.process.callbacks import Callbacks
from webhooks.process.leftovers import begun
from webhooks.process.ran import Ran

LONG_LOCK = 1.0  # seconds with SQLite's write lock, after which the log says that nobody else could write


def outside(attempt: Attempt, event: StripeEvent) -> None:
    """Run the handlers with atomic=False. When a later one fails, the next attempt runs these again.

    Raises LeaseLost.
    """
    alone = [handler for handler in attempt.ran.handlers if not handler.atomic]
    if alone and not claim.are_ours([attempt]):
        raise LeaseLost
    for handler in alone:
        with attempt.ran.running(handler):
            run(handler, _own(event, attempt.row, attempt.ran.handlers))
            if attempt.sessions and attempt.sessions.in_transaction(connection):
                raise TransactionManagementError(
                    f"{handler.name} left a transaction open, or autocommit off. Use `with transaction.atomic():`."
                )


def inside(attempt: Attempt, event: StripeEvent) -> None:
    """Run the other handlers in the transaction that marks the event processed. Raises LeaseLost."""
    until_serialized(lambda: _inside(attempt, event), is_final=lambda: attempt.committed)


def _inside(attempt: Attempt, event: StripeEvent) -> None:
    attempt.callbacks = Callbacks()
    attempt.ran.begin_again()
    with transaction.atomic(durable=True):
        transaction.on_commit(attempt.set_committed)
        if not claim.confirm(attempt):
            raise LeaseLost
        locked_at, attempt.writes = monotonic(), True
        in_transaction(attempt.row, event, attempt.ran)
        if not settle.finish(attempt, clock.now()):
            raise LeaseLost
        attempt.callbacks.watch(attempt.set_committed)
    atomic = [handler for handler in attempt.ran.handlers if handler.atomic]
    _warn_of_long_lock(attempt, atomic, monotonic() - locked_at)


def in_transaction(row: WebhookEvent, event: StripeEvent, ran: Ran) -> None:
    """Call the receivers and the atomic handlers, within the caller's transaction."""
    arguments = {"sender": WebhookEvent, "instance": row, "event": event, "api_key": None}
    _require_done(signals.webhook_pre_process.send(**arguments))
    for handler in ran.handlers:
        if handler.atomic:
            with ran.running(handler):
                run(handler, _own(event, row, ran.handlers))
                _require_transaction(handler.name)
    _require_done(signals.webhook_post_process.send(**arguments))


def _own(event: StripeEvent, row: WebhookEvent, handlers: tuple[Handler, ...]) -> StripeEvent:
    """The event with a payload of its own: what one handler changes in it, no other sees."""
    if len(handlers) == 1:
        return event
    return replace(event, payload=events.parse(row.body, event.endpoint).payload)


def _require_done(responses: Sequence[tuple[Any, object]]) -> None:
    for receiver, response in responses:
        if response is not None and (reason := not_run(response)):
            raise NotRun(f"The receiver {getattr(receiver, '__qualname__', receiver)} {reason}")


def _require_transaction(name: str) -> None:
    """Raise when a handler has ended or broken the transaction, naming it: the next statement would fail for it."""
    if connection.needs_rollback:
        raise TransactionManagementError(
            f"{name} broke the transaction and went on: a database error was caught inside it, or set_rollback(True) "
            "was called. Catch such errors outside a transaction.atomic() of their own."
        )
    if begun(connection) is False:
        raise TransactionManagementError(
            f"{name} ended the transaction by hand (COMMIT or ROLLBACK): what it wrote before may be there or not. "
            "Raise an exception to undo it, and leave the rest to the transaction."
        )


def _warn_of_long_lock(attempt: Attempt, handlers: list[Handler], seconds: float) -> None:
    if connection.vendor == "sqlite" and handlers and seconds > LONG_LOCK:
        attempt.log.warning(
            "event.database_locked_long",
            handlers=[handler.name for handler in handlers],
            duration_ms=round(seconds * 1000),
            hint="Nobody else could write meanwhile. Handlers that call the network: @on(..., atomic=False).",
        )
