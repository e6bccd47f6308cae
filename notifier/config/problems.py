"""What is wrong with NOTIFIER: where, what, and what to write instead. Pure.

No text repeats a value, which may be a secret in the wrong place. Names that are looked up (an alias, a kind, a
severity, a key) are shown, since people have to find them; what looks like a secret in them is taken out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from pydantic_core import ErrorDetails, PydanticCustomError

from alerts_runtime.redaction.redact import redact

Loc = tuple[str | int, ...]
Doubt = tuple[Loc, str, str, str]  # where, what, what to do, id

SHAPE, NAME, VALUE, ADDRESS, CREDENTIALS, RECIPIENTS, CONTRADICTION, WRONG_CREDENTIALS, UNREACHED = (
    f"E{n:03}" for n in range(1, 10)
)
NEVER, UNUSED, IMPATIENT, UNHEARD, UNLIMITED, CIRCLE, LONG_SMS, NO_TYPE, TWINS, NOT_SET_UP, NO_EFFECT, UNCOVERED = (
    f"W{n:03}" for n in range(1, 13)
)
NOBODY_ANSWERS = "W013"
STRANDED = "W014"
NOT_FOLLOWED = "W015"
NO_CLASS = "W016"
# Errors about what the environment does not have yet. NOTIFIER itself is right, so everything else works.
UNFINISHED = frozenset({ADDRESS, CREDENTIALS, RECIPIENTS})

# pydantic's types of errors in Python's words. The others have good texts of pydantic's, without the value.
_WORDS = {
    "model_type": "must be a dict",
    "dict_type": "must be a dict",
    "tuple_type": "must be a list",
    "string_type": "must be a text",
    "bool_type": "must be True or False",
    "bool_parsing": "must be True or False",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "too_short": "must not be empty",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake or doubt. `path` is where, as one would write it in Python: `NOTIFIER["ROUTES"][2]["to"][0]`."""

    path: str
    text: str
    hint: str = ""
    level: Literal["error", "warning"] = "error"
    id: str = VALUE

    def __str__(self) -> str:
        return f"{self.path}: {self.text}." + (f" {self.hint}" if self.hint else "")


def shown(name: object) -> str:
    """A name that is looked up, in quotes, without what looks like a secret."""
    return f'"{redact(str(name), limit=80)}"'


def nearest(name: str, known: Collection[str], help_: str = "") -> str:
    """A hint: the known name that was probably meant; else `help_`; else all that are known."""
    lower = {one.lower(): one for one in known}
    close = get_close_matches(name.lower()[:80], lower, n=1)
    if close:
        return f"Did you mean {shown(lower[close[0]])}?"
    if help_ or not known:
        return help_ or "There are none."
    return f"Known are: {', '.join(redact(one, limit=80) for one in sorted(known))}."


def unknown(what: str, name: str, known: Collection[str], help_: str = "") -> PydanticCustomError:
    """The error for a name that is not known."""
    text = f"there is no {what} {shown(name)}"
    return PydanticCustomError("name", "{text}", {"text": text, "hint": nearest(name, known, help_)})


def within(key: str, error: ValueError) -> PydanticCustomError:
    """The error about one entry of a mapping that a validator reads as a whole."""
    return PydanticCustomError("entry", "{text}", {"text": str(error), "at": key})


def path(loc: Iterable[str | int], raw: object, root: str = "NOTIFIER") -> str:
    """The place as Python would write it, such as NOTIFIER["ROUTES"][2]["to"][0]; without the index where a single text
    stands instead of a list.
    """
    parts, here = [root], raw
    for part in loc:
        if part == "[key]" or (isinstance(part, int) and not _has_index(here, part)):
            continue
        parts.append(f"[{part}]" if isinstance(part, int) else f"[{json.dumps(redact(part, limit=80))}]")
        here = _inside(here, part)
    return "".join(parts)


def _has_index(here: object, part: int) -> bool:
    return part in here if isinstance(here, Mapping) else isinstance(here, list | tuple)


def _inside(here: object, part: str | int) -> object:
    if isinstance(here, Mapping):
        return here.get(part)
    if isinstance(here, list | tuple) and isinstance(part, int) and part < len(here):
        return here[part]
    return None


def of_error(
    error: ErrorDetails, raw: object, keys_at: Callable[[Loc], Collection[str]], root: str = "NOTIFIER"
) -> Problem:
    """One of pydantic's errors as a problem. `keys_at(loc)`: the keys that are known at a place."""
    context: dict[str, Any] = error.get("ctx", {})
    loc = tuple(error["loc"])
    match error["type"]:
        case "missing":
            return Problem(path(loc[:-1], raw, root), f'"{loc[-1]}" is missing', id=SHAPE)
        case "extra_forbidden" | "invalid_key":
            key, known = str(loc[-1]), keys_at(loc[:-1])
            return Problem(path(loc[:-1], raw, root), f"there is no key {shown(key)}", nearest(key, known), id=NAME)
        case "name":
            return Problem(path(loc, raw, root), context["text"], context["hint"], id=NAME)
        case "entry":
            return _of_value((*loc, context["at"]), context["text"], raw, root)
        case "value_error":
            return _of_value(loc, str(context["error"]), raw, root)
    if loc[-1:] == ("[key]",) and error["type"] == "string_type":
        return Problem(path(loc[:-2], raw, root), "its keys must be texts", id=SHAPE)
    text = _WORDS.get(error["type"]) or error["msg"].replace("Input should", "must", 1)
    return Problem(path(loc, raw, root), text, id=SHAPE)


def _of_value(loc: Loc, text: str, raw: object, root: str) -> Problem:
    """A ValueError of our own parsers: what is wrong, a colon, what to write."""
    wrong, _, hint = text.partition(": ")
    return Problem(path(loc, raw, root), wrong, f"{hint[:1].upper()}{hint[1:]}." if hint else "")
