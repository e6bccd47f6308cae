"""One figure, and what it is compared with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """`ratio` is value / the peer's value. `goal` is the text shown; `met` is None where there is no goal."""

    name: str
    value: float
    unit: str
    peer: str = ""  # which other side it is compared with
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    best: float | None = None
    worst: float | None = None
    note: str = ""


class NotHere(Exception):  # noqa: N818 - it is no error
    """This machine lacks what a benchmark needs; the message says what."""


class NotHonest(Exception):  # noqa: N818 - reads as what it says
    """Two counts that must be equal are not: the figure would be worth nothing."""
