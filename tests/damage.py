"""What people write into settings by mistake: values that fit nowhere, and such as fit at some places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.utils.functional import lazystr

SECRET = "sk_live_51HunterTwoHunterTwoHunterTwo"


class Thing:
    def __repr__(self) -> str:
        return SECRET


def _deep() -> dict[str, Any]:
    table: dict[str, Any] = {}
    for _ in range(3000):
        table = {"a": table}
    return table


def _round() -> list[Any]:
    circle: list[Any] = []
    circle.append(circle)
    return circle


# Factories: a generator that was read is another value, and what is changed by one test must not reach the next.
NEVER_RIGHT: dict[str, Callable[[], object]] = {
    "bytes": lambda: SECRET.encode(),
    "a function": lambda: lambda: SECRET,
    "a class": lambda: Thing,
    "an object": Thing,
    "a lazy text": lambda: lazystr(SECRET),
    "nan": lambda: float("nan"),
    "infinity": lambda: float("-inf"),
    "a complex number": lambda: 1j,
    "no number": lambda: Decimal("NaN"),
    "a generator": lambda: (one for one in (SECRET,)),
    "nested too deep": _deep,
    "a circle": _round,
    "a key that is a number": lambda: {7: SECRET},
    "a key that is bytes": lambda: {SECRET.encode(): 1},
    "a key that is a tuple": lambda: {(SECRET, 1): 1},
    "a path": lambda: Path(SECRET),
    "a century and a day": lambda: timedelta(days=36_501),
    "a negative time": lambda: timedelta(seconds=-1),
}
SOMETIMES_RIGHT: dict[str, Callable[[], object]] = {
    "None": lambda: None,
    "an empty text": str,
    "a blank": lambda: " ",
    "an empty list": list,
    "an empty tuple": tuple,
    "an empty dict": dict,
    "an empty set": set,
    "zero": int,
    "a negative number": lambda: -1,
    "a huge number": lambda: 10**30,
    "a number too long to print": lambda: 10**5000,
    "True": lambda: True,
    "a secret": lambda: SECRET,
    "a list with a secret": lambda: [SECRET],
    "a set with a secret": lambda: {SECRET},
    "a key that is a secret": lambda: {SECRET: 1},
    "None in a list": lambda: [None],
    "a zone's city": lambda: "Berlin",
    "a negative duration": lambda: "-5m",
    "a duration that no date can bear": lambda: "99999999d",
    "a surrogate": lambda: "\ud800",
    "NUL": lambda: "a\0b",
    "two lines": lambda: "a\nb",
    "much text": lambda: "x" * 100_000,
    "other digits": lambda: "\u0663m",
    "a date": lambda: date(9999, 12, 31),
}
ALL = NEVER_RIGHT | SOMETIMES_RIGHT

Place = tuple[Any, ...]


def places(value: object, here: Place = ()) -> Iterator[Place]:
    """Every place of a table, leaves and branches."""
    yield here
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*here, key))


def with_value(table: Any, place: Place, value: object) -> Any:
    """The table with another value at one place."""
    if not place:
        return value
    changed = table.copy()
    changed[place[0]] = with_value(table[place[0]], place[1:], value)
    return changed


def misspelt(table: Any, place: Place) -> Any:
    """The table with a typing error in the key at one place."""
    *before, key = place
    outer = table
    for one in before:
        outer = outer[one]
    return with_value(table, tuple(before), {(one + "Q" if one == key else one): inner for one, inner in outer.items()})
