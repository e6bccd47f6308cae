"""The loggers of these apps: every line is redacted, however a site has set up logging and structlog."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, cast

import structlog

from alerts_runtime.redaction.values import redact_processor

ROOT = "stripe_alerts"


def _exception_as_text(logger: Any, method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What an exception's own code raises while it is read must not end whoever logs it."""
    try:
        return structlog.processors.format_exc_info(logger, method, event_dict)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit, too
        return {**event_dict, "exception": f"(it cannot be read: {type(error).__name__})"}


# Exceptions become text before redaction; structlog's own rendering may show local variables.
MADE_READABLE: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _exception_as_text,
]
_TEXTS_OF_THEIR_OWN = ("exception", "stack")


class Line(dict[str, Any]):
    """What a record says, as values for structlog's formatter, and as one text for any other."""

    def __str__(self) -> str:
        known = {"event", "level", "logger", "timestamp", *_TEXTS_OF_THEIR_OWN}
        values = " ".join(f"{key}={value!r}" for key, value in self.items() if key not in known)
        first = " ".join(part for part in (str(self.get("event", "")), values) if part)
        return "\n".join([first, *(str(self[key]) for key in _TEXTS_OF_THEIR_OWN if self.get(key))])


def get_logger(module: str) -> structlog.stdlib.BoundLogger:
    """Our logger for a module, `stripe_alerts.<module>`: one entry for `stripe_alerts` in LOGGING sets up all of ours.

    Its methods take an event, named as in docs/logs.md, and values: `info("delivery.sent", channel="slack")`.
    """
    return redacted_logger(f"{ROOT}.{module}")


def redacted_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger of the same kind under the standard library's name `name`: for a site's own modules."""
    return cast(
        structlog.stdlib.BoundLogger,
        structlog.wrap_logger(
            logging.getLogger(name),
            processors=[structlog.stdlib.filter_by_level, *MADE_READABLE, redact_processor, _record],
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=True,
        ),
    )


def _record(logger: Any, method: str, event_dict: MutableMapping[str, Any]) -> tuple[tuple[Line], dict[str, Any]]:
    (found,), extra = structlog.stdlib.ProcessorFormatter.wrap_for_formatter(logger, method, event_dict)
    # The text has the traceback; logging would add its own to what `exception()` says, unredacted.
    return (Line(found),), extra | {"exc_info": False}
