"""Limits how much of a provider's answer is read: an answer of gigabytes must not use up the worker's memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter

ANSWER = 1_000_000  # bytes, after decompression
CHUNK = 65_536


class AnswerTooLarge(requests.RequestException):
    """The answer was too long to be read to its end. The provider may have done what it was asked."""


class _Bounded:
    """The body of an answer that is still to be read, and raises AnswerTooLarge beyond `ANSWER` bytes."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        size = 0
        for chunk in self._raw.stream(*args, **kwargs):
            size += len(chunk)
            if size > ANSWER:
                self._raw.close()
                raise AnswerTooLarge(f"HTTP {self._raw.status} with more than {ANSWER:,} bytes")
            yield chunk


class BoundedAdapter(HTTPAdapter):
    """An adapter for requests that reads answers of at most `ANSWER` bytes. Raises AnswerTooLarge."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(request, *args, **kwargs)
        response.raw = _Bounded(response.raw)
        _ = response.content  # read to its end before anybody is told that it has come
        return response


def bound(session: requests.Session) -> None:
    """Put the limit on a session of a provider's library."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter())
