"""Describes an exception by WEBHOOKS: RETRY["TRANSIENT"] adds transient classes, MESSAGES may leave out its texts."""

from __future__ import annotations

from alerts_runtime import error_facts
from alerts_runtime.error_facts import LONG_MESSAGE_LIMIT, MESSAGE_LIMIT, ErrorFacts, Where
from alerts_runtime.failures.judging import Judgement, judge
from alerts_runtime.failures.reading import class_path, read
from webhooks.conf import config

__all__ = ["LONG_MESSAGE_LIMIT", "MESSAGE_LIMIT", "ErrorFacts", "Where", "class_path", "describe", "judgement_of"]


def judgement_of(error: BaseException, *, own_lock: bool = False) -> Judgement:
    """The kind of failure. `own_lock`: see webhooks.process.own_lock."""
    return judge(read(error, own_lock=own_lock), config().retry.transient)


def describe(error: BaseException, duration_ms: int = 0, judgement: Judgement | None = None) -> ErrorFacts:
    """What is kept of an exception. Never raises, whatever the exception's own code does."""
    judged = judgement or judgement_of(error)
    return error_facts.describe(error, judged, duration_ms=duration_ms, class_only=config().class_only)
