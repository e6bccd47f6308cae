"""Limits how much of a provider's answer is read: an answer of gigabytes must not use up the worker's memory."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter

ANSWER = 1_000_000  # bytes, after decompression
CHUNK = 65_536


class AnswerTooLarge(requests.RequestException):
    """The answer was too long to be read to its end. The provider may have done what it was asked."""


class BoundedAdapter(HTTPAdapter):
    """An adapter for requests that reads answers of at most `ANSWER` bytes. Raises AnswerTooLarge."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(request, *args, **(kwargs | {"stream": True}))
        content = bytearray()
        for chunk in response.iter_content(CHUNK):
            content += chunk
            if len(content) > ANSWER:
                response.close()
                raise AnswerTooLarge(f"HTTP {response.status_code} with more than {ANSWER:,} bytes", request=request)
        response._content = bytes(content)  # where requests itself keeps what it has read
        return response


def bound(session: requests.Session) -> None:
    """Put the limit on a session of a provider's library."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter())
