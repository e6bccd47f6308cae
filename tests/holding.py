"""Processes that die, and the time that others need to see it."""

from __future__ import annotations

from alerts_runtime.leasing import holders


def die() -> None:
    """What this process has claimed is that of a process which is gone: it has another name from now on."""
    holders._mine.beat()
    holders._mine = holders.Beat()


def let_pass(beats: int = holders.BEATS + 1) -> None:
    """So much time that this process has raised its counter so often: once to see another's, and then on."""
    for _ in range(beats):
        holders._mine.beat()
