"""What handlers left to transaction.on_commit, and which of it did not run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from django.db import connection

from alerts_runtime.redaction.redact import redact


class Callbacks:
    """Those of one transaction. Django drops the rest when one raises."""

    def __init__(self) -> None:
        self._left: dict[int, str] = {}

    def watch(self, *own: Callable[[], Any]) -> None:
        """Before the commit. What was registered with `robust=True` is logged by Django and stops nothing."""
        hooks: list[Any] = connection.run_on_commit
        if len(hooks) > len(own):
            connection.run_on_commit = [hook if hook[1] in own or hook[2] else self._watched(hook) for hook in hooks]

    def left(self) -> list[str]:
        """By name: the one that raised, and those after it."""
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
