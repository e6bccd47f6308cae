"""Stripe's event types as the installed stripe package lists them, so that checks can find misspelt ones."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from typing import get_args

V1 = "v1."  # the package's own prefix for what arrives without one


@cache
def known() -> frozenset[str]:
    """Of https://docs.stripe.com/api/events/types, and the thin ones. Imports stripe, which takes 0.4 s (measured).

    Empty when the package keeps them elsewhere than its versions 15 and 16 do.
    """
    try:
        import stripe
        from stripe.events import _event_classes

        snapshot = get_args(stripe.Event.__annotations__["type"])
        thin = getattr(_event_classes, "_V2_EVENT_NOTIFICATION_CLASS_LOOKUP", {})
    except (ImportError, AttributeError, KeyError):
        return frozenset()
    return frozenset(snapshot) | frozenset(thin) | {name.removeprefix(V1) for name in thin}


def doubt(pattern: str) -> str:
    """A warning for a type, or a glob of types, that no event has; "" when it is fine.

    Not an error, since there may be newer types than the installed package knows.
    """
    types = known()
    if not types or pattern in types or any(_is_match(name, pattern) for name in types):
        return ""
    close = get_close_matches(pattern.lower(), types, n=1, cutoff=0.75)
    return f'Did you mean "{close[0]}"?' if close else "Stripe's list: https://docs.stripe.com/api/events/types"


def _is_match(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(name, pattern.replace("[", "[[]"))
