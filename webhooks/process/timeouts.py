"""Ends attempts whose handlers run for longer than HANDLER_TIMEOUT, in every process that runs handlers.

The failure says in which line the handler was, and the worker puts another thread in the place of its one. The watcher
itself uses no database, which the handler may have locked.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from functools import partial
from types import FrameType, TracebackType

from alerts_runtime.isolation import threads
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.wakeups import wake
from webhooks.conf import config
from webhooks.exceptions import HandlerTimeout
from webhooks.process import claim, cut, failing, failures, run
from webhooks.process.attempt import Attempt, in_progress
from webhooks.process.errors import describe

logger = get_logger(__name__)
LOOK_EVERY = 1.0  # seconds
_watchers: set[int] = set()  # ids of the processes that have a watcher: a child process needs its own
_starting = threading.Lock()


def watch() -> None:
    """Start this process's watcher, unless it has one."""
    if os.getpid() not in _watchers:
        with _starting:
            if os.getpid() not in _watchers:
                _watchers.add(os.getpid())
                threads.daemon("handler-timeouts", _watch).start()


def look() -> None:
    """End attempts that have run for too long, each from a thread of its own, since receivers may hang too.

    Events that were claimed together with that of a slow handler, and wait for it, are given back to others.
    """
    for attempt in in_progress.take_hung(config().handler_timeout):
        threads.daemon("handler-timed-out", partial(_end, attempt)).start()
    waiting = in_progress.take_waiting(LOOK_EVERY)
    if waiting or failures.are_marked(LOOK_EVERY):
        threads.daemon("handler-goes-on", partial(_meanwhile, waiting)).start()


def _meanwhile(waiting: list[Attempt]) -> None:
    try:
        failures.write_marks()
    finally:
        if waiting:
            claim.give_back(waiting)
            wake.wake("events")
        threads.close_connections()


def where_it_is(thread: threading.Thread) -> HandlerTimeout:
    """An exception whose traceback is the thread's stack at this moment, from the call of the handlers on."""
    frame = sys._current_frames().get(thread.ident or 0)
    step: TracebackType | None = None
    inside: TracebackType | None = None
    while frame is not None:
        step = TracebackType(step, frame, frame.f_lasti, frame.f_lineno or 0)
        if _runs_handlers(frame):
            inside = step  # of several such frames the outermost stays
            if frame.f_back is None or not _runs_handlers(frame.f_back):
                break
        frame = frame.f_back
    return HandlerTimeout().with_traceback(inside or step)


def _runs_handlers(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == run.__name__


def _watch() -> None:
    while True:
        time.sleep(min(LOOK_EVERY, config().handler_timeout.total_seconds() / 4))
        try:
            look()
        except Exception:  # the next look comes
            logger.exception("handler.timeouts_not_checked")


def _end(attempt: Attempt) -> None:
    thread = attempt.thread or threading.current_thread()
    try:
        _time_out(attempt, thread)
    except Exception:  # whatever a receiver does
        logger.exception("handler.timeout_not_recorded", thread=thread.name)
    finally:
        threads.write_off(thread)
        threads.close_connections()


def _time_out(attempt: Attempt, thread: threading.Thread) -> None:
    error = where_it_is(thread)
    facts = describe(error)
    error.args = (f"timed out after {attempt.duration_ms() // 1000} s in {facts.where.file}:{facts.where.line}",)
    attempt.log.critical("event.handler_timed_out", thread=thread.name, reason=str(error), stack=facts.stack)
    cut.take_away(attempt, thread)
    try:
        failing.failed(attempt, error)
    finally:
        error.__traceback__ = None  # it holds all that the handler has in its variables
