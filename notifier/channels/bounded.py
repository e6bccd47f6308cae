"""An answer of a provider is read up to a limit: its words fit into a page, and the worker's memory is everybody's."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter

ANSWER = 1_000_000  # bytes, after decompression
CHUNK = 65_536


class AnswerTooLarge(requests.RequestException):
    """The provider may have done what it was asked; what it said of that is not read to its end."""


class BoundedAdapter(HTTPAdapter):
    """requests' way to a server, for answers of at most `ANSWER` bytes. Raises AnswerTooLarge."""

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
    """Let a session of a provider's library read no answer beyond the limit."""
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter())
