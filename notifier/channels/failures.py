"""What a broken connection or an HTTP status means for a message: not taken, to be tried again, or nobody knows.

What decides is whether the request can have been written. If not, trying again cannot send it twice.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.error import URLError

from notifier.facts import DeliveryError, Result, seconds_to_wait

if TYPE_CHECKING:
    from requests import RequestException

# The first that fits counts: RemoteDisconnected, for one, is a ConnectionError and an HTTPException.
_NAMES: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "dns"),
    (ConnectionRefusedError, "refused"),
    (ssl.SSLError, "tls"),
    (TimeoutError, "timeout"),
    (ConnectionError, "connection_lost"),
    (HTTPException, "unreadable_answer"),
    (OSError, "unreachable"),
)

# About the account, whatever the message: its credentials, or no credit (402, Brevo), or its limit is reached (420).
# 403 is not among them, since it may be about one recipient.
OF_THE_ACCOUNT = frozenset({401, 402, 420})
# The request reached a server that failed, or a proxy whose server did: it may have been done. 503 says that it was
# not. 520 and 524 are Cloudflare's: https://developers.cloudflare.com/support/troubleshooting/http-status-codes/
MAYBE_DONE = frozenset({500, 502, 504, 520, 524})
REDIRECTED = "the answer is a redirect, which is not followed: check the URL"


def by_status(status: int, headers: Mapping[str, str], detail: str) -> DeliveryError:
    """The error for an HTTP status of which the provider says nothing more exact.

    After 408 and 425 the request was not read. A redirect is never followed: it would carry the credentials elsewhere.
    """
    code = f"http_{status}"
    if status in (408, 425, 429) or status >= 500:
        result = Result.UNCERTAIN if status in MAYBE_DONE else Result.RETRY
        return DeliveryError(result, code, detail, retry_after=retry_after(headers))
    if 300 <= status < 400:
        return DeliveryError(Result.REJECTED, "redirected", REDIRECTED)
    if 400 <= status < 500:
        of_the_account = status in OF_THE_ACCOUNT
        return DeliveryError(Result.REJECTED, code, detail, target_dead=status == 403, channel_dead=of_the_account)
    return DeliveryError(Result.UNCERTAIN, "unreadable_answer", detail)  # a success, but not the provider's


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the provider asks to wait, an hour at most; None when it does not say, or it cannot be read.

    Retry-After is a number of seconds or a date: RFC 9110, 10.2.3. A date without a zone is in GMT (5.6.7).
    """
    text = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return seconds_to_wait(text)
    try:
        date = parsedate_to_datetime(text)
        left = (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.now(UTC)
    except (TypeError, ValueError, OverflowError):  # no date, or one that no calendar has
        return None
    return seconds_to_wait(left.total_seconds())


def of_urllib(error: BaseException) -> DeliveryError:
    """Before the request is written urllib raises URLError only, and after that something else.

    https://github.com/python/cpython/blob/3.13/Lib/urllib/request.py (AbstractHTTPHandler.do_open)
    """
    return broken(error, written=not isinstance(error, URLError))


def of_requests(error: RequestException) -> DeliveryError:
    """The classes of requests, and of urllib3 below it, tell whether a connection was ever made.

    https://requests.readthedocs.io/en/latest/api/#exceptions
    """
    from requests import exceptions
    from urllib3.exceptions import NewConnectionError

    from notifier.channels.bounded import AnswerTooLarge

    if isinstance(error, exceptions.TooManyRedirects):
        return DeliveryError(Result.REJECTED, "redirected", REDIRECTED)
    if isinstance(error, ValueError):  # InvalidURL, MissingSchema, InvalidHeader and their like
        return unusable("the URL or the credentials")
    if isinstance(error, AnswerTooLarge):
        return DeliveryError(Result.UNCERTAIN, "answer_too_large", str(error))
    before = (exceptions.ConnectTimeout, exceptions.ProxyError, exceptions.SSLError, NewConnectionError)
    unsent = any(isinstance(link, before) for link in _chain(error))
    return broken(error, written=not unsent)


def broken(error: BaseException, *, written: bool) -> DeliveryError:
    """A connection that was never made, or one that broke when the request may have been written."""
    return DeliveryError(Result.UNCERTAIN if written else Result.RETRY, name_of(error), _words(error))


def unusable(what: str) -> DeliveryError:
    """Settings from which no request can be made. Says nothing of their values, which may be secret."""
    return DeliveryError(
        Result.REJECTED, "invalid_configuration", f"{what} cannot be put into a request", channel_dead=True
    )


def name_of(error: BaseException) -> str:
    """One word for what broke, found anywhere in the chain of causes."""
    causes = list(_chain(error))
    for kind, name in _NAMES:
        if any(isinstance(cause, kind) and type(cause) is not URLError for cause in causes):
            return name
    return "unreachable"


def _words(error: BaseException) -> str:
    """The words of the innermost cause: the outer ones repeat the URL, with an account or a telephone number in it."""
    inner = list(_chain(error))[-1]
    return str(inner) or type(inner).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: object = error
    while isinstance(cause, BaseException) and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        reason = getattr(cause, "reason", None)
        inner = next((arg for arg in cause.args if isinstance(arg, BaseException)), None)
        cause = reason if isinstance(reason, BaseException) else inner or cause.__cause__ or cause.__context__
