"""The registry of handlers: `@on("invoice.*")` in an app's stripe_handlers.py.

    @on("invoice.paid", "invoice.payment_failed")
    def record_payment(event: StripeEvent) -> None: ...

Handlers run in the order in which they were registered, inside one transaction that also marks the event processed.
Those with `atomic=False`, which is for calls over the network, run before it, outside any transaction.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from importlib import import_module
from types import FunctionType, MethodType
from typing import TypeVar

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import module_has_submodule

from webhooks.events import StripeEvent
from webhooks.exceptions import NotRun

MODULE = "stripe_handlers"
Function = Callable[[StripeEvent], object]
_F = TypeVar("_F", bound=Function)
_AWAITED = "Call async code in it with asgiref.sync.async_to_sync."
_CALLED = "Do the work in a plain function: loop over what it yields, or use a list."
_ITERATORS = (map, filter, zip, enumerate)  # they, and those of itertools, do their work only when somebody looks at it
_CONTAINERS = (list, tuple, set, dict)
_FUNCTIONS = (FunctionType, MethodType, partial)  # as of a decorator that forgets to call what it wraps
_CONTEXT_MANAGERS = (contextlib.AbstractContextManager, contextlib.AbstractAsyncContextManager)


@dataclass(frozen=True, slots=True)
class Handler:
    function: Function
    patterns: tuple[str, ...]
    atomic: bool

    @property
    def name(self) -> str:
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        return f"{self.function.__module__}.{name}"


_handlers: list[Handler] = []


def on(*patterns: str, atomic: bool = True) -> Callable[[_F], _F]:
    """Decorate a handler of Stripe events, a function of one argument, the StripeEvent.

    `patterns`: event types such as "invoice.paid", or globs with * and ?, such as "invoice.*".

    `atomic=True`: it runs in a transaction that also marks the event processed. When it or another handler raises, all
    that they wrote is rolled back, and the event is tried again later: in the database everything happens exactly once.

    `atomic=False`: it runs outside any transaction, before the others, so that it may call the network without keeping
    the database locked. It can run again for the same event, when a later handler fails or the worker dies: pass
    `event.id` to what it calls as an idempotency key.

    A handler fails by raising; what it returns is ignored. Returns the function unchanged. Raises TypeError without
    patterns, and for a function that is async or a generator: use asgiref.sync.async_to_sync within a plain one.
    """
    if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise TypeError('Say which events: @on("invoice.paid") or @on("invoice.*").')

    def decorate(function: _F) -> _F:
        _register(function, patterns, atomic=atomic)
        return function

    return decorate


def registered() -> tuple[Handler, ...]:
    """All handlers, in the order in which they were registered."""
    return tuple(_handlers)


def matching(event_type: str) -> tuple[Handler, ...]:
    """The handlers for this event type, each once, in the order in which they were registered."""
    return _matching(event_type)


def autodiscover() -> None:
    """Import the module `stripe_handlers` of every installed app that has one.

    Raises ImproperlyConfigured, which names each that cannot be imported.
    """
    broken: dict[str, Exception] = {}
    for app in apps.get_app_configs():
        if app.module is None or not module_has_submodule(app.module, MODULE):
            continue
        try:
            import_module(f"{app.name}.{MODULE}")
        except Exception as error:  # noqa: BLE001 - whatever it is, every broken module is named at once
            broken[f"{app.name}.{MODULE}"] = error
    if broken:
        # Without their handlers, events would be marked processed that nobody has handled.
        listed = "; ".join(f"{module} ({type(error).__name__}: {error})" for module, error in broken.items())
        raise ImproperlyConfigured(f"Handlers cannot be imported: {listed}") from next(iter(broken.values()))


def run(handler: Handler, event: StripeEvent) -> None:
    """Call a handler. Raises NotRun when it returned a coroutine, a generator or the like, whose body nobody runs."""
    result = handler.function(event)
    if result is not None and (reason := not_run(result)):
        raise NotRun(f"{handler.name} {reason}")


def not_run(result: object) -> str:
    """Why this result of a call means that its work was not done, such as a coroutine; empty for any other.

    Closes it.
    """
    if isinstance(result, _FUNCTIONS):
        return f"returned a {type(result).__name__}, which nobody calls: its work was not done. Call it in the handler."
    if isinstance(result, _CONTAINERS):
        items = result.values() if isinstance(result, dict) else result
        return next((f"{reason} It is in a {type(result).__name__}." for reason in [*map(_lazy, items)] if reason), "")
    return _lazy(result)


def _lazy(result: object) -> str:
    if inspect.isawaitable(result):
        _close(result)
        return f"returned {type(result).__name__}, which nobody awaits: its work was not done. {_AWAITED}"
    lazy = getattr(result, "gen", result) if isinstance(result, _CONTEXT_MANAGERS) else result
    if inspect.isgenerator(lazy) or inspect.isasyncgen(lazy) or isinstance(lazy, _ITERATORS) or _is_of_itertools(lazy):
        _close(lazy)
        return f"returned {type(result).__name__}, whose body nobody runs: its work was not done. {_CALLED}"
    return ""


def _is_of_itertools(result: object) -> bool:
    return type(result).__module__ == "itertools"


def _close(result: object) -> None:
    """So that Python does not warn that the coroutine was never awaited."""
    with contextlib.suppress(Exception):  # closing runs code of the site
        close = getattr(result, "close", None) or getattr(result, "cancel", None)
        if close:
            close()


def _register(function: Function, patterns: tuple[str, ...], *, atomic: bool) -> None:
    name = getattr(function, "__qualname__", function)
    for item in _called(function):
        if inspect.iscoroutinefunction(item) or inspect.isasyncgenfunction(item):
            raise TypeError(
                f"{name} is async; a handler must be a plain function, since it runs in a database transaction. "
                f"{_AWAITED}"
            )
        if inspect.isgeneratorfunction(item):
            raise TypeError(f"{name} has a `yield` in it, so that a call runs nothing of it. {_CALLED}")
    for index, known in enumerate(_handlers):
        if known.function is function:
            _handlers[index] = replace(known, patterns=tuple(dict.fromkeys(known.patterns + patterns)), atomic=atomic)
            break
    else:
        _handlers.append(Handler(function, patterns, atomic))
    _matching.cache_clear()


def _called(function: Function) -> Iterator[object]:
    """The functions that run when a handler is called, as far as that can be seen.

    Not those that a decorator wraps: a decorator may well run an async function in its own way.
    """
    if not callable(function):
        raise TypeError(f"{function!r} cannot be called; a handler is a function of one argument, the event.")
    yield function
    while isinstance(function, partial):
        function = function.func
    yield function
    if not inspect.isclass(function):
        yield getattr(function, "__call__", function)  # noqa: B004 - of an object, its method may be the async one


@lru_cache(maxsize=1024)
def _matching(event_type: str) -> tuple[Handler, ...]:
    return tuple(
        handler for handler in _handlers if any(_is_match(event_type, pattern) for pattern in handler.patterns)
    )


def _is_match(event_type: str, pattern: str) -> bool:
    # Types of thin events hold brackets, as in v2.core.account[requirements].updated: they may be meant as such.
    return fnmatchcase(event_type, pattern) or fnmatchcase(event_type, pattern.replace("[", "[[]"))
