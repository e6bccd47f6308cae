"""What our loggers say within a block, line by line, as structlog.testing.capture_logs has it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alerts_runtime.redaction.loggers import Line


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, Line):
            line = dict(record.msg)
            self.lines.append(line | {"log_level": line["level"], "exc_info": "exception" in line})


@contextmanager
def capture_logs() -> Iterator[list[dict[str, Any]]]:
    """The list grows as lines come. They have been redacted."""
    kept, root = _Kept(), logging.getLogger()
    before = root.level
    root.addHandler(kept)
    root.setLevel(min(before, logging.INFO) or logging.INFO)
    try:
        yield kept.lines
    finally:
        root.setLevel(before)
        root.removeHandler(kept)
