"""What is wrong with a request that is not accepted."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - an answer to a request, not an error of ours
    """A request that is not accepted. `status` is the HTTP answer, `reason` a short name that is counted.

    `detail` goes into the answer: it says what was wrong and never holds a secret or any part of the request.
    """

    status = 400
    reason = "refused"

    def __init__(self, detail: str, *, reason: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason or type(self).reason


class BadSignature(Refused):
    reason = "no_match"


class MalformedEvent(Refused, ValueError):  # noqa: N818 - as Refused
    reason = "malformed_event"
