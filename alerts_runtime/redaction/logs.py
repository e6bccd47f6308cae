"""LOGGING for this repository's site: JSON in production, readable on a terminal. Every value is redacted.

So is what Python would write to stderr by itself: warnings, exceptions that nobody caught, log lines that failed.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

from alerts_runtime.redaction.loggers import MADE_READABLE, get_logger
from alerts_runtime.redaction.redact import redact
from alerts_runtime.redaction.values import redact_processor

log = get_logger(__name__)


def logging_config(*, json: bool, level: str) -> dict[str, Any]:
    """A value for Django's LOGGING. Records of structlog and of the standard library go through one formatter.

    `json`: one object a line, else text. `level`: the least level that is written, such as "INFO".
    """
    shared = [*MADE_READABLE, redact_processor]  # also for loggers of the site's own
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *([] if json else [on_one_line]),
                    _renderer(json=json),
                ],
                "foreign_pre_chain": shared,
            }
        },
        "handlers": {"stderr": {"class": "alerts_runtime.redaction.logs.Stderr", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own setup would mail every 500 to ADMINS, with the request's data, from within the request.
            "django": {"handlers": [], "level": level},
            "django.server": {"handlers": [], "level": level, "propagate": True},
        },
    }


def _renderer(*, json: bool) -> Any:
    if json:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)


class Stderr(logging.StreamHandler):  # type: ignore[type-arg] # it is generic for the type checker alone
    """Writes to stderr. A line that cannot be written is told of without the arguments that logging would show."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging calls it by this name
        error = redact("".join(traceback.format_exception_only(*sys.exc_info()[:2])).strip(), limit=300)
        place = f"{record.pathname}:{record.lineno}"
        with contextlib.suppress(
            OSError, AttributeError
        ):  # nobody reads stderr, or its disk is full: never the caller's
            print(f"a log line of {record.name} at {place} could not be written: {error}", file=sys.stderr)  # noqa: T201 - logging itself is what failed


def on_one_line(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog's processor for terminals: no text can begin a line of its own and pass for another record.

    The lines of a traceback are indented.
    """
    for key, value in event_dict.items():
        if isinstance(value, str):
            lines = value.splitlines()
            event_dict[key] = "\n".join(f"    {line}" for line in lines) if key in _TRACEBACKS else "\\n".join(lines)
    return event_dict


_TRACEBACKS = ("exception", "stack")


def hear_python() -> None:
    """Have what Python writes to stderr by itself logged instead, redacted. Hooks of the site's own are left alone."""
    logging.captureWarnings(True)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _uncaught_in_thread
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _unraisable


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("python.uncaught", exc_info=(kind, error, trace))


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if not issubclass(found.exc_type, SystemExit):
        info = (found.exc_type, found.exc_value, found.exc_traceback)
        log.error("python.uncaught_in_thread", thread=found.thread.name if found.thread else "", exc_info=info)


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    info = (found.exc_type, found.exc_value, found.exc_traceback)
    log.error("python.unraisable", reason=found.err_msg or "", exc_info=info)
