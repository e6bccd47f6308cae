"""Watches the callbacks that handlers left to transaction.on_commit, to say which of them did not run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from django.db import connection

from alerts_runtime.redaction.redact import redact


class Callbacks:
    """The callbacks of one transaction. When one raises, Django does not run those after it."""

    def __init__(self) -> None:
        self._left: dict[int, str] = {}

    def watch(self, *own: Callable[[], Any]) -> None:
        """Begin to watch, before the commit. `own` are callbacks of ours, which are left out; so are those with
        `robust=True`, whose errors Django logs and which stop no others.
        """
        hooks: list[Any] = connection.run_on_commit
        if len(hooks) > len(own):
            connection.run_on_commit = [hook if hook[1] in own or hook[2] else self._watched(hook) for hook in hooks]

    def left(self) -> list[str]:
        """The names of those that did not run to their end: the one that raised, and those after it."""
        return list(self._left.values())

    def _watched(self, hook: Any) -> Any:
        savepoints, function, *rest = hook
        number = len(self._left)
        self._left[number] = _name(function)

        def run() -> None:
            function()
            self._left.pop(number, None)

        return (savepoints, wraps(function)(run), *rest)


def _name(function: Any) -> str:
    while isinstance(function, partial):
        function = function.func
    known = function if hasattr(function, "__qualname__") else type(function)
    line = getattr(getattr(function, "__code__", None), "co_firstlineno", None)
    return redact(f"{known.__module__}.{known.__qualname__}" + (f" (line {line})" if line else ""), limit=300)
