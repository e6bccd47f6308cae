"""Exceptions in NOTIFIER that nothing here can raise: a rule with a misspelt one never matches."""

from __future__ import annotations

from collections.abc import Iterator

from alerts_runtime import exception_paths
from notifier.config.matches import matches_of
from notifier.config.problems import NO_CLASS, Doubt, shown
from notifier.config.schema import Written


def doubts(written: Written) -> Iterator[Doubt]:
    for at, match in matches_of(written):
        for path in match.exception or ():
            if hint := exception_paths.doubt(path):
                yield (*at, "exception"), f"there is no exception {shown(path)} here", hint, NO_CLASS
