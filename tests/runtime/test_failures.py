"""alerts_runtime.failures: what an exception says of itself and what that means, as libraries raise them."""

from __future__ import annotations

import errno
import http.client
import io
import json
import smtplib
import socket
import sqlite3
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from email.message import Message
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import botocore.exceptions
import kombu.exceptions
import psycopg
import pytest
import redis.exceptions
import requests
import stripe
import urllib3
from aiohttp.client_reqrep import ConnectionKey
from django import db
from django.utils.functional import SimpleLazyObject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.backoff import NoBackoff
from redis.retry import Retry as RedisRetry
from twilio.base.exceptions import TwilioRestException
from yarl import URL

from alerts_runtime.failures.classes import ROWS
from alerts_runtime.failures.judging import Judgement, judge, kind_of
from alerts_runtime.failures.kinds import KINDS, Retry
from alerts_runtime.failures.reading import classes_of, read

PATIENT, FEW = Retry.PATIENT, Retry.FEW
amqp: Any = import_module("amqp.exceptions")  # it has no types


def judged(error: BaseException) -> Judgement:
    return judge(read(error))


def chained(error: BaseException, cause: BaseException) -> BaseException:
    try:
        raise error from cause
    except BaseException as raised:  # noqa: BLE001 - whatever it is
        return raised


def during(error: BaseException, handled: BaseException, *, hidden: bool = False) -> BaseException:
    try:
        try:
            raise handled
        except BaseException:  # noqa: BLE001 - whatever it is
            if hidden:
                raise error from None
            raise error  # noqa: B904 - that is what is tried
    except BaseException as raised:  # noqa: BLE001 - whatever it is
        return raised


def django_error(cls: type[db.Error], driver: BaseException) -> BaseException:
    """As Django raises it: around the driver's."""
    return chained(cls(str(driver)), driver)


def sqlite_error(name: str, cls: type[sqlite3.Error] = sqlite3.OperationalError) -> sqlite3.Error:
    error = cls(name)
    error.sqlite_errorname = name
    return error


class MadeUp:
    """Classes of packages that are not installed here, by their documented names and bases."""

    @staticmethod
    def of(path: str, *bases: type[Exception], **attributes: Any) -> Exception:
        module, _, name = path.rpartition(".")
        cls: Any = type(name, bases or (Exception,), {"__module__": module, **attributes})
        error: Exception = cls("it failed")
        return error


class GrpcError(Exception):
    __module__, __qualname__ = "grpc", "RpcError"


def grpc_error(code: str) -> Exception:
    return MadeUp.of("grpc._channel._InactiveRpcError", GrpcError, code=lambda self: SimpleNamespace(name=code))


HttpxError = type("HTTPError", (Exception,), {"__module__": "httpx"})
HttpxTransport = type("TransportError", (HttpxError,), {"__module__": "httpx"})
HttpxTimeout = type("TimeoutException", (HttpxTransport,), {"__module__": "httpx"})


def httpx_status(status: int) -> Exception:
    return MadeUp.of("httpx.HTTPStatusError", HttpxError, response=SimpleNamespace(status_code=status, headers={}))


def requests_status(status: int, url: str = "https://tax.example.com/v1/rates?key=x") -> requests.HTTPError:
    response = requests.Response()
    response.status_code, response.url = status, url
    response.request = requests.PreparedRequest()
    response.request.url = url
    return requests.HTTPError(f"{status}", response=response)


def urllib_status(status: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("https://crm.example.com/x", status, "no", Message(), io.BytesIO())


def aiohttp_status(status: int) -> aiohttp.ClientResponseError:
    url = URL("https://crm.example.com/x")
    info: Any = SimpleNamespace(url=url, real_url=url)
    return aiohttp.ClientResponseError(info, (), status=status)


def aws(code: str, status: int = 400) -> botocore.exceptions.ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore.exceptions.ClientError(answer, "SendEmail")


def stripe_error(name: str, **attributes: Any) -> stripe.StripeError:
    """By name, since some of their constructors want more than the HTTP status, which is all that counts."""
    cls: Any = getattr(stripe, name)
    error: stripe.StripeError = cls.__new__(cls)
    stripe.StripeError.__init__(error, "it failed", **attributes)
    return error


KEY = ConnectionKey("crm.example.com", 8443, True, True, None, None, None)

TABLE: list[tuple[BaseException, str, Retry]] = [
    # SMTP: by the code of the answer
    (smtplib.SMTPRecipientsRefused({"a@example.com": (550, b"no such user")}), "mail-refused", FEW),
    (smtplib.SMTPRecipientsRefused({"a@example.com": (450, b"greylisted")}), "mail-deferred", PATIENT),
    (smtplib.SMTPRecipientsRefused({"a": (550, b""), "b": (451, b"later")}), "mail-deferred", PATIENT),
    (smtplib.SMTPSenderRefused(553, b"no", "a@example.com"), "mail-refused", FEW),
    (smtplib.SMTPDataError(554, b"spam"), "mail-refused", FEW),
    (smtplib.SMTPDataError(452, b"no space"), "mail-deferred", PATIENT),
    (smtplib.SMTPConnectError(421, b"busy"), "mail-deferred", PATIENT),
    (smtplib.SMTPAuthenticationError(535, b"bad password"), "mail-credentials", FEW),
    (smtplib.SMTPAuthenticationError(454, b"temporary"), "mail-deferred", PATIENT),
    (smtplib.SMTPNotSupportedError("no AUTH"), "mail-credentials", FEW),
    (smtplib.SMTPServerDisconnected("closed"), "network", PATIENT),
    # urllib and http.client
    (urllib_status(404), "http-request", FEW),
    (urllib_status(503), "service-error", PATIENT),
    (urllib_status(429), "service-rate-limit", PATIENT),
    (urllib.error.URLError(ConnectionRefusedError(111, "refused")), "network", PATIENT),
    (urllib.error.URLError("unknown url type: tax"), "http-request", FEW),
    (http.client.RemoteDisconnected("closed"), "network", PATIENT),
    (http.client.IncompleteRead(b"x"), "network", PATIENT),
    (http.client.BadStatusLine("x"), "network", PATIENT),
    (http.client.InvalidURL("x"), "http-request", FEW),
    (http.client.CannotSendRequest(), "code", FEW),
    # urllib3 and requests
    (urllib3.exceptions.MaxRetryError(urllib3.HTTPConnectionPool("a"), "/"), "network", PATIENT),
    (urllib3.exceptions.ProtocolError("broken"), "network", PATIENT),
    (urllib3.exceptions.SSLError("bad"), "network", PATIENT),
    (urllib3.exceptions.LocationParseError("x"), "http-request", FEW),
    (requests.exceptions.SSLError("certificate"), "network", PATIENT),
    (requests.exceptions.ChunkedEncodingError("broken"), "network", PATIENT),
    (requests.exceptions.ConnectTimeout(), "network-timeout", PATIENT),
    (requests.exceptions.MissingSchema(), "http-request", FEW),
    (requests.exceptions.JSONDecodeError("x", "y", 0), "invalid-data", FEW),
    (requests_status(404), "http-request", FEW),
    (requests_status(401), "service-credentials", FEW),
    (requests_status(403), "service-permission", FEW),
    (requests_status(408), "service-error", PATIENT),
    (requests_status(409), "http-request", FEW),
    (requests_status(429), "service-rate-limit", PATIENT),
    (requests_status(501), "http-request", FEW),
    (requests_status(502), "service-error", PATIENT),
    (requests.HTTPError("no response"), "http-request", FEW),
    # httpx, aiohttp
    (MadeUp.of("httpx.ReadTimeout", HttpxTimeout), "network-timeout", PATIENT),
    (MadeUp.of("httpx.ConnectError", HttpxTransport), "network", PATIENT),
    (MadeUp.of("httpx.UnsupportedProtocol", HttpxTransport), "http-request", FEW),
    (httpx_status(404), "http-request", FEW),
    (httpx_status(503), "service-error", PATIENT),
    (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), "network", PATIENT),
    (aiohttp.ServerTimeoutError(), "network-timeout", PATIENT),
    (aiohttp.ServerDisconnectedError(), "network", PATIENT),
    (aiohttp.ClientPayloadError("broken"), "network", PATIENT),
    (aiohttp.InvalidURL("x"), "http-request", FEW),
    (aiohttp_status(404), "http-request", FEW),
    (aiohttp_status(500), "service-error", PATIENT),
    # AWS
    (aws("ThrottlingException"), "service-rate-limit", PATIENT),
    (aws("SlowDown", 503), "service-rate-limit", PATIENT),
    (aws("RequestTimeout"), "service-error", PATIENT),
    (aws("ServiceUnavailable", 503), "service-error", PATIENT),
    (aws("Unheard", 500), "service-error", PATIENT),
    (aws("ExpiredToken", 403), "service-credentials", FEW),
    (aws("AccessDenied", 403), "service-permission", FEW),
    (aws("NoSuchKey", 404), "http-request", FEW),
    (botocore.exceptions.EndpointConnectionError(endpoint_url="https://ses.example.com"), "network", PATIENT),
    (botocore.exceptions.ReadTimeoutError(endpoint_url="https://ses.example.com"), "network-timeout", PATIENT),
    (botocore.exceptions.NoCredentialsError(), "service-credentials", FEW),
    (botocore.exceptions.ParamValidationError(report="x"), "http-request", FEW),
    # brokers
    (kombu.exceptions.OperationalError("refused"), "broker-unavailable", PATIENT),
    (kombu.exceptions.EncodeError("x"), "invalid-data", FEW),
    (amqp.ConnectionForced("shutdown"), "broker-unavailable", PATIENT),
    (amqp.AccessRefused("login"), "broker-credentials", FEW),
    # Redis
    (redis.exceptions.ConnectionError("refused"), "redis-unavailable", PATIENT),
    (redis.exceptions.TimeoutError(), "redis-unavailable", PATIENT),
    (redis.exceptions.BusyLoadingError("loading"), "redis-unavailable", PATIENT),
    (redis.exceptions.ReadOnlyError("replica"), "redis-unavailable", PATIENT),
    (redis.exceptions.ClusterDownError("CLUSTERDOWN x"), "redis-unavailable", PATIENT),
    (redis.exceptions.AuthenticationError("WRONGPASS"), "redis-credentials", FEW),
    (redis.exceptions.NoPermissionError("NOPERM"), "redis-credentials", FEW),
    (redis.exceptions.WatchError(), "redis-contention", PATIENT),
    (redis.exceptions.ResponseError("WRONGTYPE"), "redis-request", FEW),
    # gRPC, by code()
    (grpc_error("UNAVAILABLE"), "service-error", PATIENT),
    (grpc_error("DEADLINE_EXCEEDED"), "service-error", PATIENT),
    (grpc_error("RESOURCE_EXHAUSTED"), "service-rate-limit", PATIENT),
    (grpc_error("ABORTED"), "service-error", PATIENT),
    (grpc_error("UNAUTHENTICATED"), "service-credentials", FEW),
    (grpc_error("NOT_FOUND"), "http-request", FEW),
    (grpc_error("UNIMPLEMENTED"), "http-request", FEW),
    # Stripe, with and without a status
    (stripe_error("RateLimitError"), "stripe-rate-limit", PATIENT),
    (stripe_error("RateLimitError", http_status=429), "stripe-rate-limit", PATIENT),
    (stripe_error("APIError"), "stripe-api", PATIENT),
    (stripe_error("APIError", http_status=500), "stripe-api", PATIENT),
    (stripe_error("APIError", http_status=409), "stripe-api", PATIENT),
    (stripe_error("APIConnectionError"), "stripe-connection", PATIENT),
    (stripe_error("InvalidRequestError"), "stripe-request", FEW),
    (stripe_error("InvalidRequestError", http_status=404), "stripe-request", FEW),
    (stripe_error("IdempotencyError", http_status=400), "stripe-request", FEW),
    (stripe_error("CardError", http_status=402), "stripe-request", FEW),
    (stripe_error("AuthenticationError", http_status=401), "stripe-credentials", FEW),
    (stripe_error("StripeError", http_status=503), "stripe-api", PATIENT),
    (stripe_error("StripeError"), "stripe-other", FEW),
    # Twilio
    (TwilioRestException(429, "/Messages"), "service-rate-limit", PATIENT),
    (TwilioRestException(500, "/Messages"), "service-error", PATIENT),
    (TwilioRestException(400, "/Messages"), "http-request", FEW),
    (TwilioRestException(401, "/Messages"), "service-credentials", FEW),
    # Databases: contention is no outage
    (django_error(db.OperationalError, psycopg.errors.DeadlockDetected()), "database-contention", PATIENT),
    (django_error(db.OperationalError, psycopg.errors.SerializationFailure()), "database-contention", PATIENT),
    (django_error(db.OperationalError, psycopg.errors.LockNotAvailable()), "database-contention", PATIENT),
    (psycopg.errors.DeadlockDetected(), "database-contention", PATIENT),
    (django_error(db.OperationalError, psycopg.errors.QueryCanceled()), "database-timeout", PATIENT),
    (django_error(db.OperationalError, psycopg.errors.DiskFull()), "database-full", PATIENT),
    (django_error(db.InternalError, psycopg.errors.ReadOnlySqlTransaction()), "database-read-only", PATIENT),
    (django_error(db.OperationalError, psycopg.errors.AdminShutdown()), "database-unavailable", PATIENT),
    (django_error(db.OperationalError, psycopg.OperationalError("refused")), "database-unavailable", PATIENT),
    (django_error(db.OperationalError, psycopg.errors.InvalidPassword()), "database-credentials", FEW),
    (django_error(db.ProgrammingError, psycopg.errors.InsufficientPrivilege()), "database-permission", FEW),
    (django_error(db.ProgrammingError, psycopg.errors.UndefinedTable()), "database-schema", FEW),
    (django_error(db.InternalError, psycopg.errors.InFailedSqlTransaction()), "database-transaction", FEW),
    (django_error(db.IntegrityError, psycopg.errors.UniqueViolation()), "database-data", FEW),
    (django_error(db.OperationalError, sqlite_error("SQLITE_BUSY")), "database-contention", PATIENT),
    (django_error(db.OperationalError, sqlite_error("SQLITE_BUSY_SNAPSHOT")), "database-contention", PATIENT),
    (django_error(db.OperationalError, sqlite_error("SQLITE_LOCKED")), "database-own-lock", FEW),
    (django_error(db.OperationalError, sqlite_error("SQLITE_FULL")), "database-full", PATIENT),
    (django_error(db.OperationalError, sqlite_error("SQLITE_READONLY_DBMOVED")), "database-read-only", PATIENT),
    (django_error(db.OperationalError, sqlite_error("SQLITE_CANTOPEN")), "database-unavailable", PATIENT),
    (django_error(db.OperationalError, sqlite_error("SQLITE_IOERR_READ")), "database-unavailable", PATIENT),
    (django_error(db.OperationalError, sqlite_error("SQLITE_ERROR")), "database-schema", FEW),
    (
        django_error(db.DatabaseError, sqlite_error("SQLITE_CORRUPT", sqlite3.DatabaseError)),
        "database-damaged",
        PATIENT,
    ),
    (db.OperationalError(1213, "Deadlock found"), "database-contention", PATIENT),  # MySQL's
    (db.OperationalError("server closed the connection"), "database-unavailable", PATIENT),
    (db.InterfaceError("connection already closed"), "database-unavailable", PATIENT),
    (db.DatabaseError("Save with update_fields did not affect any rows."), "database-no-row", FEW),
    (db.NotSupportedError("x"), "database-unsupported", FEW),
    # The operating system: by errno
    (OSError(errno.EHOSTUNREACH, "No route to host"), "network", PATIENT),
    (OSError(errno.ENETUNREACH, "Network is unreachable"), "network", PATIENT),
    (ConnectionRefusedError(), "network", PATIENT),
    (socket.gaierror(-2, "Name or service not known"), "network", PATIENT),
    (ssl.SSLCertVerificationError("expired"), "network", PATIENT),
    (TimeoutError(), "network-timeout", PATIENT),
    (OSError(errno.ENOSPC, "No space left on device"), "disk-full", PATIENT),
    (OSError(errno.EMFILE, "Too many open files"), "resources-exhausted", PATIENT),
    (OSError(errno.EROFS, "Read-only file system"), "file", FEW),
    (FileNotFoundError(errno.ENOENT, "x"), "file", FEW),
    (PermissionError(errno.EACCES, "x"), "not-allowed", FEW),
    (OSError("odd"), "os-error", FEW),
    (MemoryError(), "resources", FEW),
    # Bugs, and what says nothing
    (RecursionError(), "code", FEW),
    (KeyError("amount"), "code", FEW),
    (SystemExit(503), "code", FEW),
    (RuntimeError("x"), "unknown", FEW),
    (MadeUp.of("rest_framework.exceptions.APIException", status_code=500), "unknown", FEW),
    (MadeUp.of("openai.InternalServerError", status_code=503), "service-error", PATIENT),
]


@pytest.mark.parametrize(
    ("error", "kind", "retry"), TABLE, ids=[f"{classes_of(type(error))[:1]}-{kind}" for error, kind, _ in TABLE]
)
def test_each_library_is_judged_by_its_own_codes(error: BaseException, kind: str, retry: Retry) -> None:
    found = judged(error)
    assert (found.kind.name, found.retry) == (kind, retry)
    assert found.transient is (retry is PATIENT)


def defined(path: str) -> type[BaseException] | None:
    """The class that a row names; None where its package is not installed."""
    module, _, name = path.rpartition(".")
    try:
        cls: type[BaseException] = getattr(import_module(module or "builtins"), name)
    except ModuleNotFoundError:
        return None
    return cls


def test_each_class_that_a_row_names_is_defined_there_and_reaches_the_row() -> None:
    absent = {"httpx", "httpcore", "grpc", "google", "psycopg2"}
    for kind, named in ROWS:
        for path in named:
            cls = defined(path)
            assert cls is not None or path.split(".")[0] in absent, path
            paths = classes_of(cls) if cls else (path,)
            assert paths[0] == path
            assert kind_of(paths).name == kind, path


def test_a_class_alone_and_an_exception_without_codes_are_judged_alike() -> None:
    """Else the dry run, which knows the class only, would promise what production does not do."""
    for _, named in ROWS:
        for path in named:
            cls = defined(path)
            if cls is not None and path != "pydantic_core.ValidationError":  # that one cannot be made bare
                bare = cls.__new__(cls)
                assert judged(bare).kind is kind_of(classes_of(cls)), path


# --- causes


class PaymentError(Exception):
    """A site's own, which says nothing of what is wrong."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (chained(RuntimeError("payment failed"), ConnectionResetError()), "network"),
        (chained(PaymentError(), chained(PaymentError(), TimeoutError())), "network-timeout"),
        (chained(PaymentError(), requests_status(503)), "service-error"),
        (chained(PaymentError(), KeyError("x")), "code"),
        (chained(PaymentError(), PaymentError()), "unknown"),
        (during(PaymentError(), ConnectionResetError()), "network"),
        (during(PaymentError(), KeyError("x")), "unknown"),  # what was handled meanwhile need not be the reason
        (during(PaymentError(), ConnectionResetError(), hidden=True), "unknown"),  # `from None` says so
        (chained(KeyError("x"), ConnectionResetError()), "code"),  # its own class says something
        (chained(db.IntegrityError("x"), TimeoutError()), "database-data"),
    ],
)
def test_what_says_nothing_of_itself_is_judged_by_its_cause(error: BaseException, kind: str) -> None:
    assert judged(error).kind.name == kind


def test_a_circle_of_causes_ends() -> None:
    one, other = PaymentError(), PaymentError()
    one.__cause__, other.__cause__ = other, one
    assert judged(one).kind.name == "unknown"


def test_the_site_may_name_more_classes_that_heal() -> None:
    path = f"{PaymentError.__module__}.{PaymentError.__qualname__}"
    assert judge(read(PaymentError()), frozenset({path})).transient
    assert judge(read(KeyError()), frozenset({"builtins.KeyError"})).transient
    assert judge(read(ExceptionGroup("x", [PaymentError()])), frozenset({path})).retry is PATIENT


# --- groups


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ([TimeoutError(), KeyError("x")], "code"),  # what stays is worse than what passes
        ([KeyError("x"), TimeoutError()], "code"),
        ([TimeoutError(), RuntimeError("x")], "unknown"),
        ([RuntimeError("x"), KeyError("x")], "code"),
        ([TimeoutError(), db.OperationalError("away")], "database-unavailable"),
        ([TimeoutError(), ConnectionResetError()], "network-timeout"),
        ([ExceptionGroup("inner", [TimeoutError(), ExceptionGroup("innermost", [TypeError()])])], "code"),
    ],
)
def test_a_group_is_judged_by_its_worst_part(parts: list[Exception], kind: str) -> None:
    assert judged(ExceptionGroup("several", parts)).kind.name == kind
    assert judged(chained(PaymentError(), ExceptionGroup("several", parts))).kind.name == kind


def test_a_huge_group_is_read_in_part() -> None:
    assert len(read(ExceptionGroup("many", [KeyError(n) for n in range(10_000)])).parts) == 100


# --- peers


def refused(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it raises
        return error
    raise AssertionError("it was answered")


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize(
    "call",
    [
        lambda port: requests.get(f"http://127.0.0.1:{port}/a?b", timeout=5),
        lambda port: urllib.request.urlopen(f"http://127.0.0.1:{port}/a", timeout=5),
        lambda port: urllib3.PoolManager(retries=False).request("GET", f"http://127.0.0.1:{port}/a"),
        lambda port: http.client.HTTPConnection("127.0.0.1", port, timeout=5).request("GET", "/"),
        lambda port: smtplib.SMTP("127.0.0.1", port, timeout=5),
        lambda port: socket.create_connection(("127.0.0.1", port), timeout=5),
        lambda port: redis.Redis("127.0.0.1", port, retry=RedisRetry(NoBackoff(), 0)).ping(),
    ],
    ids=["requests", "urllib", "urllib3", "http.client", "smtplib", "socket", "redis"],
)
def test_the_host_that_refused_is_known(call: Callable[[int], object], closed_port: int) -> None:
    assert judged(refused(lambda: call(closed_port))).peer == f"127.0.0.1:{closed_port}"


@pytest.mark.parametrize(
    ("error", "peer"),
    [
        (requests_status(503), "tax.example.com"),
        (requests_status(503, "https://user:secret@TAX.example.com:443/"), "tax.example.com"),
        (urllib_status(503), "crm.example.com"),
        (aiohttp_status(503), "crm.example.com"),
        (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), "crm.example.com:8443"),
        (botocore.exceptions.EndpointConnectionError(endpoint_url="https://ses.example.com"), "ses.example.com"),
        (stripe_error("RateLimitError"), "stripe"),
        (TwilioRestException(429, "/Messages"), "twilio"),
        (kombu.exceptions.OperationalError("refused"), "broker"),
        (redis.exceptions.ReadOnlyError("replica"), "redis"),
        (chained(PaymentError(), requests_status(503)), "tax.example.com"),
        (chained(requests.ConnectionError(), requests_status(503)), "tax.example.com"),
        (ConnectionResetError(), ""),
        (requests_status(503, "https://[broken"), ""),
        (requests_status(503, "https://a b.example.com/"), ""),
    ],
)
def test_the_service_that_it_is_about(error: BaseException, peer: str) -> None:
    assert judged(error).peer == peer


# --- foreign code


NAMES = [
    *("args", "errno", "response", "request", "request_info", "status_code", "http_status", "status", "code"),
    *("headers", "kwargs", "url", "host", "port", "conn", "pool", "smtp_code", "recipients", "sqlstate", "pgcode"),
    *("sqlite_errorname", "reason", "exceptions", "__notes__", "__cause__", "__context__", "__suppress_context__"),
    *("__traceback__", "__str__", "__repr__", "__bool__", "__len__", "__eq__"),
]


def raising(error: BaseException) -> property:
    def read_it(self: object) -> object:
        raise error

    return property(read_it)


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit(3), GeneratorExit(), RecursionError()])
@pytest.mark.parametrize(
    "base", [Exception, OSError, db.OperationalError, smtplib.SMTPDataError, requests.HTTPError, urllib.error.URLError]
)
def test_what_a_property_raises_does_not_escape(base: type[BaseException], error: BaseException) -> None:
    cls: Any = type("HostileError", (base,), dict.fromkeys(NAMES, raising(error)))
    judged(cls.__new__(cls))


def test_an_interrupt_does_escape() -> None:
    cls = type("InterruptedError_", (Exception,), {"status_code": raising(KeyboardInterrupt())})
    with pytest.raises(KeyboardInterrupt):
        judged(cls())


def test_what_only_looks_like_one_in_another_thread_does_not() -> None:
    cls = type("InterruptedError_", (Exception,), {"status_code": raising(KeyboardInterrupt())})
    with ThreadPoolExecutor(1) as pool:
        pool.submit(judged, cls()).result()


def test_a_lazy_object_is_not_asked() -> None:
    def query() -> object:
        raise SystemExit("a query of the site's")

    lazy: Any = SimpleLazyObject(query)
    cls: Any = type("LazyError", (urllib.error.URLError,), dict.fromkeys(NAMES, property(lambda self: lazy)))
    judged(cls.__new__(cls))
    judged(ValueError(lazy, lazy))


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.integers()), st.just({})
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # st.text() loads its tables at the first draw
@given(st.dictionaries(st.sampled_from([name for name in NAMES if not name.startswith("__")]), ODD))
def test_whatever_stands_in_an_attribute_there_is_a_judgement(values: dict[str, Any]) -> None:
    for base in (Exception, db.OperationalError, urllib.error.URLError, smtplib.SMTPException):
        cls: Any = type("OddError", (base,), values)
        found = judged(cls.__new__(cls))
        assert found.kind.name in KINDS
        assert len(found.peer) < 300


def test_a_real_lock_of_sqlite_is_contention(tmp_path: Path) -> None:
    file = tmp_path / "a.sqlite3"
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as one,
        closing(sqlite3.connect(file, timeout=0)) as other,
    ):
        one.execute("BEGIN IMMEDIATE")
        error = refused(lambda: other.execute("CREATE TABLE a (b)"))
        one.execute("ROLLBACK")
    assert judged(error).kind.name == "database-contention"
    assert judge(read(error, own_lock=True)).kind.name == "database-own-lock"
    one.close()
    other.close()


def test_json_that_a_service_answered_is_not_its_outage() -> None:
    assert judged(refused(lambda: json.loads("<html>"))).kind.name == "invalid-data"
