"""Judges a failure by the names of its exception's classes, without the exception itself."""

from __future__ import annotations

from dataclasses import replace

from alerts_runtime.failures.judging import kind_of
from alerts_runtime.failures.peers import service_of
from notifier.facts import Failure


def judged(failure: Failure) -> Failure:
    """The failure with its kind, whether it is expected to end by itself, and the service that failed."""
    kind = kind_of(failure.exceptions)
    peer = failure.peer or service_of(failure.exceptions)
    return replace(failure, kind=kind.name, transient=kind.transient, peer=peer)
