"""Every match that NOTIFIER has, with its place."""

from __future__ import annotations

from collections.abc import Iterator

from notifier.config.problems import Loc
from notifier.config.schema import MatchEntry, Written


def matches_of(written: Written) -> Iterator[tuple[Loc, MatchEntry]]:
    for index, rule in enumerate(written.classify):
        yield ("CLASSIFY", index, "match"), rule.match
    if not isinstance(written.routes, dict):
        for index, route in enumerate(written.routes):
            yield ("ROUTES", index, "match"), route.match
    for index, entry in enumerate(written.inhibit or ()):
        yield ("INHIBIT", index, "parent"), entry.parent
        yield ("INHIBIT", index, "child"), entry.child
