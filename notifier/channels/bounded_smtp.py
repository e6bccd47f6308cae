"""Limits how much a mail server may say: smtplib reads an answer of many lines for as long as lines come."""

from __future__ import annotations

import smtplib
from functools import cache
from typing import Any

from django.core.mail.backends.smtp import EmailBackend

ANSWER = 1_000_000  # bytes, of all answers in one connection


class _Answers:
    """The lines that a server sends. Raises beyond `ANSWER` bytes, which smtplib takes for a lost connection."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._left = ANSWER

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lines, name)

    def readline(self, size: int) -> bytes:
        line: bytes = self._lines.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise smtplib.SMTPServerDisconnected(f"more than {ANSWER:,} bytes of answers")
        return line


@cache
def _bounded(client: type[smtplib.SMTP]) -> type[smtplib.SMTP]:
    def set_file(self: Any, lines: Any) -> None:
        self.lines = None if lines is None else _Answers(lines)

    # smtplib opens it when it reads first, and anew when TLS has begun.
    return type(client.__name__, (client,), {"file": property(lambda self: self.lines, set_file), "lines": None})


def bound(connection: EmailBackend) -> None:
    """Put the limit on Django's backend, or one that stands on it."""
    backend: Any = type(connection)
    if not hasattr(backend, "is_bounded"):
        connection.__class__ = _with_bounded_client(backend)


@cache
def _with_bounded_client(backend: Any) -> Any:
    def client(self: Any) -> type[smtplib.SMTP]:
        found: Any = super(bounded, self)
        return _bounded(found.connection_class)

    bounded: Any = type(backend.__name__, (backend,), {"connection_class": property(client), "is_bounded": True})
    return bounded
