"""Reads attributes of exceptions, which are other people's code: whatever a property raises, nothing here does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TypeGuard, TypeVar

T = TypeVar("T")
LINKS = 5  # of a chain
PARTS = 100  # of a group, its groups' included


def is_interrupt(error: BaseException) -> bool:
    """Whether somebody pressed Ctrl-C, which reaches the main thread alone: in another it is an exception as any."""
    return issubclass(type(error), KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def is_a(of: object, cls: type[T]) -> TypeGuard[T]:
    """As isinstance, which asks a property `__class__` too: of Django's lazy objects that one makes a query."""
    return issubclass(type(of), cls)


def get(of: object, name: str) -> Any:
    """The attribute, or None when there is none or it cannot be read."""
    try:
        return getattr(of, name, None)
    except BaseException as error:
        if is_interrupt(error):
            raise
        return None


def item(of: object, name: str) -> Any:
    """The value of a mapping, or of what is like one (email.message.Message), or None."""
    try:
        return None if of is None else of.get(name)  # type: ignore[attr-defined] # else that is an answer too
    except BaseException as error:
        if is_interrupt(error):
            raise
        return None


def called(of: object, name: str) -> Any:
    """What the method answers, or None."""
    try:
        return getattr(of, name)()
    except BaseException as error:
        if is_interrupt(error):
            raise
        return None


def text(of: object, otherwise: str = "") -> str:
    """str() of it, or `otherwise` when that raises."""
    try:
        return str.__str__(str(of))  # of a subclass of str, the plain text
    except BaseException as error:
        if is_interrupt(error):
            raise
        return otherwise


def storable(of: str) -> str:
    """Without what a database refuses: NUL and lone surrogates, as in the name of a file that is no UTF-8."""
    return of if of.isascii() and "\0" not in of else of.encode(errors="replace").decode().replace("\0", "\ufffd")


def of_class(cls: type, name: str) -> Any:
    """A class's own `__mro__`, `__module__` or `__qualname__`, whatever its metaclass makes of the name."""
    return type.__dict__[name].__get__(cls)


def number(of: object) -> int:
    """An int, but no bool; else 0."""
    return int(of) if is_a(of, int) and not is_a(of, bool) else 0


def frames_of(error: BaseException) -> TracebackType | None:
    """Its traceback."""
    found = _slot(error, "__traceback__")
    return found if is_a(found, TracebackType) else None


def cause_of(error: BaseException) -> BaseException | None:
    """What it was raised `from`."""
    found = _slot(error, "__cause__")
    return found if is_a(found, BaseException) else None


def context_of(error: BaseException) -> BaseException | None:
    """What was being handled when it was raised, unless it was raised `from` something or `from None`."""
    found = None if _slot(error, "__suppress_context__") else _slot(error, "__context__")
    return found if is_a(found, BaseException) else None


def parts_of(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group that are no groups, at most PARTS of them; none of any other exception."""
    if not is_a(error, BaseExceptionGroup):
        return
    waiting, found = [error], 0
    while waiting and found < PARTS:
        group = waiting.pop(0)
        for part in BaseExceptionGroup.exceptions.__get__(group):  # the slot, whatever a subclass makes of the name
            if is_a(part, BaseExceptionGroup):
                waiting.append(part)
            elif found < PARTS:
                found += 1
                yield part


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """The exception, what led to it, nearest first, and the parts of each."""
    link: BaseException | None = error
    for _ in range(LINKS):
        if link is None:
            return
        yield link
        yield from parts_of(link)
        link = cause_of(link) or context_of(link)


def _slot(error: BaseException, name: str) -> Any:
    """Past any property by which a subclass hides it."""
    return BaseException.__dict__[name].__get__(error)
