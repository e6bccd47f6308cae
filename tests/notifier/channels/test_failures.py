"""What a broken connection means, told from the exceptions that the libraries raise for it."""

from __future__ import annotations

import http.client
import smtplib
import socket
import ssl
from urllib.error import URLError

import pytest
import requests
import urllib3
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError
from django.core.exceptions import ImproperlyConfigured

from notifier.channels import failures, mail_failures
from notifier.facts import Result

RETRY, REJECTED, UNCERTAIN = Result.RETRY, Result.REJECTED, Result.UNCERTAIN


def caused(outer: BaseException, inner: BaseException) -> BaseException:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "result", "code"),
    [
        # until the request is written
        (URLError(socket.gaierror(-2, "Name or service not known")), RETRY, "dns"),
        (URLError(ConnectionRefusedError(111, "refused")), RETRY, "refused"),
        (URLError(TimeoutError("timed out")), RETRY, "timeout"),
        (URLError(ssl.SSLCertVerificationError("self-signed")), RETRY, "tls"),
        (URLError(ConnectionResetError(104, "reset")), RETRY, "connection_lost"),
        (URLError(OSError(113, "No route to host")), RETRY, "unreachable"),
        (URLError("Tunnel connection failed"), RETRY, "unreachable"),
        # after that
        (TimeoutError("timed out"), UNCERTAIN, "timeout"),
        (http.client.RemoteDisconnected("closed"), UNCERTAIN, "connection_lost"),
        (ConnectionResetError(104, "reset"), UNCERTAIN, "connection_lost"),
        (http.client.IncompleteRead(b""), UNCERTAIN, "unreadable_answer"),
        (http.client.BadStatusLine("x"), UNCERTAIN, "unreadable_answer"),
    ],
    ids=str,
)
def test_of_urllib(error: BaseException, result: Result, code: str) -> None:
    failure = failures.of_urllib(error)

    assert (failure.result, failure.code) == (result, code)


def never_connected(inner: Exception) -> requests.ConnectionError:
    pool = urllib3.HTTPSConnectionPool("api.example")
    reason = caused(urllib3.exceptions.NewConnectionError(urllib3.connection.HTTPSConnection("x"), "no"), inner)
    assert isinstance(reason, Exception)
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/?To=%2B14155552671", reason))


@pytest.mark.parametrize(
    ("error", "result", "code"),
    [
        # never connected
        (never_connected(ConnectionRefusedError(111, "refused")), RETRY, "refused"),
        (never_connected(socket.gaierror(-2, "unknown")), RETRY, "dns"),
        (caused(requests.ConnectTimeout("no"), TimeoutError("timed out")), RETRY, "timeout"),
        (requests.exceptions.SSLError(ssl.SSLError("wrong version")), RETRY, "tls"),
        (requests.exceptions.ProxyError(OSError("Tunnel connection failed: 407")), RETRY, "unreachable"),
        # broke while connected
        (caused(requests.ReadTimeout("no"), TimeoutError("timed out")), UNCERTAIN, "timeout"),
        (
            requests.ConnectionError(urllib3.exceptions.ProtocolError("x", ConnectionResetError(104, "r"))),
            UNCERTAIN,
            "connection_lost",
        ),
        (requests.exceptions.ChunkedEncodingError(http.client.IncompleteRead(b"")), UNCERTAIN, "unreadable_answer"),
        (requests.exceptions.ContentDecodingError("not gzip"), UNCERTAIN, "unreachable"),
        # never tried
        (requests.TooManyRedirects("Exceeded 0 redirects."), REJECTED, "redirected"),
        (requests.exceptions.MissingSchema("no scheme in 'x'"), REJECTED, "invalid_configuration"),
        (requests.exceptions.InvalidHeader("token\n"), REJECTED, "invalid_configuration"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_of_requests(error: requests.RequestException, result: Result, code: str) -> None:
    failure = failures.of_requests(error)

    assert (failure.result, failure.code) == (result, code)
    assert "14155552671" not in failure.detail  # the outer messages repeat the URL
    assert "token" not in failure.detail


@pytest.mark.parametrize(
    ("error", "opened", "result", "code"),
    [
        (ConnectionRefusedError(111, "refused"), False, RETRY, "refused"),
        (TimeoutError("timed out"), False, RETRY, "timeout"),
        (socket.gaierror(-2, "unknown"), False, RETRY, "dns"),
        (ssl.SSLError("wrong version"), False, RETRY, "tls"),
        (ConnectionResetError(104, "reset"), True, UNCERTAIN, "connection_lost"),
        (BrokenPipeError(32, "broken"), True, UNCERTAIN, "connection_lost"),
        (ImproperlyConfigured("no such mailer"), False, REJECTED, "invalid_configuration"),
        (ImportError("no module named boto3"), False, REJECTED, "invalid_configuration"),
        (ValueError("Header values can't contain newlines"), True, REJECTED, "invalid_message"),
        (ValueError("EMAIL_USE_TLS/EMAIL_USE_SSL are mutually exclusive"), False, REJECTED, "invalid_configuration"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), True, UNCERTAIN, "unreadable_answer"),
        # botocore: before the request
        (aws.EndpointConnectionError(endpoint_url="https://ses", error=OSError()), True, RETRY, "unreachable"),
        (aws.ConnectTimeoutError(endpoint_url="https://ses", error=TimeoutError()), True, RETRY, "unreachable"),
        (aws.ProxyConnectionError(proxy_url="http://proxy", error=OSError()), True, RETRY, "unreachable"),
        (aws.MetadataRetrievalError(error_msg="no answer"), True, RETRY, "no_credentials"),
        (aws.CredentialRetrievalError(provider="process", error_msg="no"), True, RETRY, "no_credentials"),
        (aws.NoCredentialsError(), True, REJECTED, "invalid_configuration"),
        (aws.NoRegionError(), False, REJECTED, "invalid_configuration"),
        (aws.ProfileNotFound(profile="alerts"), False, REJECTED, "invalid_configuration"),
        (aws.ParamValidationError(report="Data is missing"), True, REJECTED, "invalid_configuration"),
        # botocore: after it
        (caused(aws.ReadTimeoutError(endpoint_url="https://ses"), TimeoutError()), True, UNCERTAIN, "timeout"),
        (
            caused(aws.ConnectionClosedError(endpoint_url="https://ses"), ConnectionResetError(104, "reset")),
            True,
            UNCERTAIN,
            "connection_lost",
        ),
        (aws.HTTPClientError(error=OSError()), True, UNCERTAIN, "unreachable"),
        (aws.IncompleteReadError(actual_bytes=1, expected_bytes=2), True, UNCERTAIN, "unreachable"),
        (ResponseParserError("no JSON"), True, UNCERTAIN, "unreadable_answer"),
        (smtplib.SMTPConnectError(421, b"too busy"), False, RETRY, "smtp_421"),
        (smtplib.SMTPConnectError(554, b"no service"), False, REJECTED, "smtp_554"),
        (smtplib.SMTPConnectError(-1, b"?"), False, RETRY, "unreadable_answer"),
        (smtplib.SMTPNotSupportedError("STARTTLS not supported"), False, REJECTED, "not_supported"),
        (smtplib.SMTPAuthenticationError(535, b"no"), False, REJECTED, "smtp_535"),
        (smtplib.SMTPAuthenticationError(454, b"later"), False, RETRY, "smtp_454"),
        (smtplib.SMTPSenderRefused(530, b"log in", "a@b"), True, REJECTED, "smtp_530"),
        (smtplib.SMTPDataError(-1, b"?"), True, UNCERTAIN, "unreadable_answer"),
    ],
    ids=lambda value: repr(value) if isinstance(value, Exception) else "",
)
def test_of_mail(error: Exception, opened: bool, result: Result, code: str) -> None:
    failure = mail_failures.of(error, opened=opened)

    assert failure is not None
    assert (failure.result, failure.code) == (result, code)


def test_a_bug_is_no_failure_of_mail() -> None:
    assert mail_failures.of(KeyError("x"), opened=True) is None
