"""What "this kind of alert" means to a silence: a match as in ROUTES, made of an alert. Pure."""

from __future__ import annotations

import re

from notifier.facts import INFRASTRUCTURE, Subject

_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def match_of(subject: Subject) -> dict[str, object]:
    """What alerts that tell of the same trouble have in common, however bad they are.

    An outage is one trouble whatever event met it; a fault of the code is one of its event and exception.
    """
    match: dict[str, object] = {"livemode": subject.livemode, "category": subject.category.value}
    if subject.source != "webhook":
        match["source"] = literal(subject.source)
    elif subject.category not in INFRASTRUCTURE:
        if subject.event_type:
            match["event"] = literal(subject.event_type)
        if subject.exceptions and _CLASS.fullmatch(subject.exceptions[0]):
            match["exception"] = subject.exceptions[0]
    if subject.account:
        match["account"] = literal(subject.account)
    return match


def literal(text: str) -> str:
    """A glob that matches this text alone."""
    return re.sub(r"([*?\[])", r"[\1]", text)
