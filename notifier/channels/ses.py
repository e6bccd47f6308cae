"""Amazon SES: timeouts and limits for its client, and what its errors mean. Needs boto3, an extra.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from botocore import exceptions
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from notifier.channels import failures
from notifier.channels.bounded import ANSWER, CHUNK
from notifier.facts import DeliveryError, Result

# Over the rate or the quota, or this machine's clock is wrong: not taken now, and a later try may be.
LATER = frozenset(
    {"Throttling", "ThrottlingException", "TooManyRequestsException", "LimitExceededException", "RequestExpired"}
)
# The account, the sender's domain or the credentials: no message arrives until somebody mends it.
DEAD = frozenset(
    {
        "AccountSuspendedException",
        "SendingPausedException",
        "MailFromDomainNotVerifiedException",
        # https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html; not all come with a 401 or 403
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
# Of the account's 24 hours, which may be far from over; https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html
QUOTA = "Daily message quota exceeded"
# Words of MessageRejected about a recipient, while the account is in SES's sandbox.
# https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-error-messages.html
UNVERIFIED = "is not verified"
# https://github.com/boto/botocore/blob/1.44.5/botocore/httpsession.py (URLLib3Session.send): these are raised before
# the request is written, those after.
UNSENT = exceptions.ConnectionError
SENT = (exceptions.HTTPClientError, exceptions.IncompleteReadError)
# A service that gives out the credentials is away.
NO_ANSWER = (exceptions.CredentialRetrievalError, exceptions.MetadataRetrievalError)


def bound(params: dict[str, Any], timeout: float) -> None:
    """Set a client's timeouts: botocore's own are a minute to connect and one for the answer, five times over."""
    config = Config(connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 1})
    params["config"] = params["config"].merge(config)
    logging.getLogger("botocore").setLevel(logging.WARNING)  # DEBUG writes whom a message is for and what it says


class BoundedSession:
    """An HTTP session for botocore that reads answers of at most `ANSWER` bytes. Raises HTTPClientError."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, request: Any) -> AWSResponse:
        request.stream_output = True  # without it, `send` below reads the whole answer
        answer = self._session.send(request)
        return AWSResponse(answer.url, answer.status_code, answer.headers, _Whole(_read(answer.raw)))

    def close(self) -> None:
        self._session.close()


class _Whole:
    """A body that was read already, in the form in which botocore reads one."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


def _read(raw: Any) -> bytes:
    content = bytearray()
    try:
        for chunk in raw.stream(CHUNK):
            content += chunk
            if len(content) > ANSWER:
                raise HTTPError(f"an answer of more than {ANSWER:,} bytes")
    except HTTPError as error:  # the answer had begun
        raw.close()
        raise exceptions.HTTPClientError(error=error) from error
    raw.release_conn()
    return bytes(content)


def bound_answers(client: Any) -> None:
    """Put the limit on a client's answers. botocore has neither a setting nor an event for that."""
    client._endpoint.http_session = BoundedSession(client._endpoint.http_session)


def of(error: Exception) -> DeliveryError:
    """The DeliveryError for an exception of botocore's."""
    if isinstance(error, exceptions.ClientError):
        return _refused(error.response)
    if isinstance(error, ResponseParserError):
        return DeliveryError(Result.UNCERTAIN, "unreadable_answer", "the answer is not Amazon's")
    if isinstance(error, UNSENT):
        return failures.broken(error, written=False)
    if isinstance(error, SENT):
        return failures.broken(error, written=True)
    if isinstance(error, NO_ANSWER):
        return DeliveryError(Result.RETRY, "no_credentials", "the credentials for Amazon SES cannot be fetched")
    return failures.unusable("the region or the credentials for Amazon SES")


def _refused(response: dict[str, Any]) -> DeliveryError:
    code, said = str(response["Error"].get("Code")), str(response["Error"].get("Message"))
    about = response.get("ResponseMetadata", {})
    headers = about.get("HTTPHeaders", {})
    if QUOTA in said:
        return DeliveryError(Result.REJECTED, code, said, channel_dead=True)
    if code in LATER:
        return DeliveryError(Result.RETRY, code, said, retry_after=failures.retry_after(headers))
    if code in DEAD:
        return DeliveryError(Result.REJECTED, code, said, channel_dead=True)
    if code == "MessageRejected":
        return DeliveryError(Result.REJECTED, code, said, target_dead=UNVERIFIED in said)
    return failures.by_status(about.get("HTTPStatusCode", 0), headers, f"{code}: {said}")
