"""Dotted paths of exceptions as people write them: for checks that find those that lead nowhere."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec

from alerts_runtime.failures.reading import canonical

OWN_MODULE = "A class that is not Python's own is written with its module."


def doubt(path: str) -> str:
    """A warning for a path that leads to no exception in this process; "" when it is fine."""
    hints = [_follow(one) for one in dict.fromkeys((path, canonical(path)))]
    return "" if "" in hints else hints[0]


def _follow(path: str) -> str:
    """The same for one spelling of the path: imports the longest part that is a module, then reads its attributes."""
    parts = path.split(".")
    if len(parts) == 1:
        return _within(builtins, parts, OWN_MODULE)
    for end in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:end])
        try:
            found = import_module(module) if find_spec(module) else None
        except ImportError:
            continue
        except Exception:  # noqa: BLE001 - a site's module that cannot be imported here: nothing can be said of it
            return ""
        if found:
            return _within(found, parts[end:], "Write the path by which it is imported.")
    return "Its module is not installed here."


def _within(found: object, names: Sequence[str], otherwise: str) -> str:
    for name in names:
        if not hasattr(found, name):
            close = get_close_matches(name, dir(found), n=1, cutoff=0.8)
            return f'Did you mean "{close[0]}"?' if close else otherwise
        found = getattr(found, name)
    return "" if isinstance(found, type) and issubclass(found, BaseException) else "It is no class of exceptions."
