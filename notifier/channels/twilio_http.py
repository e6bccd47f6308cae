"""Twilio's HTTP client with a timeout, with the headers of its answers, and without telephone numbers in the log."""

from __future__ import annotations

import logging
import threading
from typing import Any

from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response

from notifier.channels.bounded import bound

# Twilio's client logs telephone numbers at INFO.
_SILENT = logging.Logger("twilio", level=logging.CRITICAL + 1)


class HttpClient(TwilioHttpClient):  # type: ignore[misc] # Twilio ships no types
    """Keeps the status and headers of each thread's last answer, since Twilio's exceptions have no headers.

    `status` is None until an answer has come.
    """

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout=timeout, max_retries=0, logger=_SILENT)
        bound(self.session)
        # A kept connection that has died shows only when a request is written, whose outcome is then uncertain.
        self.session.headers["Connection"] = "close"
        self._last = threading.local()

    @property
    def status(self) -> int | None:
        return getattr(self._last, "status", None)

    @property
    def headers(self) -> dict[str, str]:
        return getattr(self._last, "headers", {})

    def request(self, *args: Any, **kwargs: Any) -> Response:
        self._last.status, self._last.headers = None, {}
        response = super().request(*args, **kwargs)
        self._last.status, self._last.headers = response.status_code, dict(response.headers or {})
        return response
