"""SIGKILL at a point, once, in whichever process comes by first: whoever renames the file dies.

The harness writes the point's name and the kind of process into `armed`; `killed` is there when it has happened.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.points import POINTS, Point, locate

KINDS = ("granian", "celery", "huey", "worker")


def install() -> None:
    folder = Path(os.environ["CHAOS_FOLDER"])
    for name, point in POINTS.items():
        _wrap(name, point, folder)


def kind_of_process() -> str:
    """granian, celery, huey, worker, or nothing: the harness's own commands are never killed."""
    return next((kind for kind in KINDS if any(kind in argument for argument in sys.argv[:2])), "")


def _wrap(name: str, point: Point, folder: Path) -> None:
    owner, attribute = locate(point.path)
    original: Callable[..., Any] = getattr(owner, attribute)
    order = f"{name}\n{kind_of_process()}"

    @functools.wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        if point.when == "before" and point.only(arguments, None):
            _die_if(order, folder)
        result = original(*arguments, **named)
        if point.when == "after" and point.only(arguments, result):
            _die_if(order, folder)
        return result

    setattr(owner, attribute, wrapped)


def _die_if(order: str, folder: Path) -> None:
    armed = folder / "armed"
    try:
        if armed.read_text() != order:
            return
        armed.rename(folder / "killed")  # of all threads and processes, one succeeds
    except FileNotFoundError:
        return
    os.killpg(os.getpgid(0), signal.SIGKILL)
