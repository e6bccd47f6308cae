"""A Tasks backend that keeps what it is given, and can be away: the engine of the tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import django

if TYPE_CHECKING or django.VERSION >= (6, 0):
    from django.tasks.backends.base import BaseTaskBackend
else:
    from django_tasks.backends.base import BaseTaskBackend


class Recorder(BaseTaskBackend):
    hints: ClassVar[list[str]] = []
    away: ClassVar[bool] = False
    taken: ClassVar[bool] = True  # whether somebody works off what is enqueued

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        if self.away:
            raise ConnectionError("no broker")
        self.hints.append(args[0])
        return SimpleNamespace(refresh=lambda: None, status="SUCCESSFUL" if self.taken else "READY")
