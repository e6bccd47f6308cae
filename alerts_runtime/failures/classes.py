"""Exception classes, by dotted path, and what kind of failure they are. The first row that matches counts.

A row matches subclasses too, and by path, so nothing is imported that the site does not use.
Sources: https://docs.stripe.com/error-handling, https://docs.djangoproject.com/en/stable/ref/exceptions/, PEP 249,
https://requests.readthedocs.io/en/latest/api/#exceptions, https://www.python-httpx.org/exceptions/,
https://docs.aiohttp.org/en/stable/client_reference.html#client-exceptions,
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/error-handling.html,
https://docs.celeryq.dev/projects/kombu/en/stable/reference/kombu.exceptions.html,
https://redis.readthedocs.io/en/stable/exceptions.html, https://docs.python.org/3/library/smtplib.html
"""

from __future__ import annotations


def _in(modules: str, names: str) -> tuple[str, ...]:
    """The path of each name in each module; the names as they are when there is no module (built-in classes)."""
    return tuple(f"{module}.{name}" for module in modules.split() for name in names.split()) or tuple(names.split())


_DRIVERS = "psycopg psycopg2 sqlite3"
_DATABASES = f"django.db {_DRIVERS}"
_POSTGRESQL = "psycopg.errors psycopg2.errors"


ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("worker-lost", _in("webhooks.exceptions", "WorkerLost")),
    ("handler-timeout", _in("webhooks.exceptions", "HandlerTimeout")),
    ("code", _in("webhooks.exceptions", "NotRun")),
    # Stripe
    ("stripe-signature", _in("stripe", "SignatureVerificationError")),
    ("stripe-rate-limit", _in("stripe", "RateLimitError QuotaExceededError")),
    ("stripe-credentials", _in("stripe", "AuthenticationError")),
    ("stripe-permission", _in("stripe", "PermissionError")),
    ("stripe-connection", _in("stripe", "APIConnectionError")),
    ("stripe-request", _in("stripe", "InvalidRequestError IdempotencyError CardError")),
    ("stripe-api", _in("stripe", "APIError")),
    ("stripe-other", _in("stripe", "StripeError")),
    # Databases
    ("database-contention", _in(_POSTGRESQL, "DeadlockDetected SerializationFailure LockNotAvailable")),
    ("database-timeout", _in(_POSTGRESQL, "QueryCanceled")),
    ("database-unavailable", _in(_DATABASES, "OperationalError InterfaceError")),
    ("database-data", _in(_DATABASES, "IntegrityError DataError")),
    (
        "database-transaction",  # the first is a ProgrammingError, but no migration helps
        ("django.db.transaction.TransactionManagementError", *_in(_POSTGRESQL, "InFailedSqlTransaction")),
    ),
    ("database-schema", _in(_DATABASES, "ProgrammingError")),
    ("database-unsupported", _in(_DATABASES, "NotSupportedError")),
    ("database-other", ("django.db.InternalError", *_in(_DRIVERS, "Error"))),
    ("database-no-row", ("django.db.Error",)),  # Django's own: "Save with update_fields did not affect any rows."
    (
        "redis-credentials",
        _in(
            "redis.exceptions",
            "AuthenticationError AuthorizationError AuthenticationWrongNumberOfArgsError NoPermissionError "
            "ExternalAuthProviderError",
        ),
    ),
    ("redis-contention", _in("redis.exceptions", "WatchError LockError")),
    (
        "redis-unavailable",
        _in(
            "redis.exceptions",
            "ConnectionError TimeoutError BusyLoadingError ReadOnlyError OutOfMemoryError TryAgainError "
            "ClusterDownError MasterDownError SlotNotCoveredError InvalidResponse",
        ),
    ),
    ("redis-request", _in("redis.exceptions", "RedisError RedisClusterException")),
    # Brokers. AccessRefused and NotAllowed are the two refusals of a login or a vhost.
    ("broker-credentials", _in("amqp.exceptions", "AccessRefused NotAllowed InvalidPath")),
    (
        "broker-unavailable",
        _in("kombu.exceptions", "OperationalError LimitExceeded InconsistencyError")
        + _in("amqp.exceptions", "ConnectionError RecoverableChannelError MessageNacked")
        + _in("celery.exceptions", "BackendError"),
    ),
    # What the handler was given
    (
        "missing-object",
        _in("django.core.exceptions", "ObjectDoesNotExist MultipleObjectsReturned"),
    ),
    (
        "invalid-data",
        (
            "django.core.exceptions.ValidationError",
            "pydantic_core.ValidationError",  # where pydantic's own is defined
            "json.decoder.JSONDecodeError",
            "requests.exceptions.ContentDecodingError",
            "urllib3.exceptions.DecodeError",
            "aiohttp.client_exceptions.ContentTypeError",
            "kombu.exceptions.SerializationError",
            "UnicodeError",
            "decimal.InvalidOperation",
        ),
    ),
    # How the site is set up
    (
        "misconfigured",
        (
            "django.core.exceptions.ImproperlyConfigured",
            "django.core.exceptions.AppRegistryNotReady",
            "celery.exceptions.ImproperlyConfigured",
            "kombu.exceptions.SerializerNotInstalled",
            "ImportError",
        ),
    ),
    (
        "service-credentials",
        _in(
            "botocore.exceptions",
            "NoCredentialsError PartialCredentialsError NoRegionError ProfileNotFound NoAuthTokenError "
            "TokenRetrievalError",
        ),
    ),
    ("mail-credentials", _in("smtplib", "SMTPAuthenticationError SMTPNotSupportedError")),
    (
        "not-allowed",
        (*_in("django.core.exceptions", "PermissionDenied SuspiciousOperation"), "PermissionError"),
    ),
    # A request that no service has seen, or that none can answer
    (
        "http-request",
        _in("requests.exceptions", "InvalidURL MissingSchema InvalidSchema TooManyRedirects")
        + _in("httpx", "UnsupportedProtocol LocalProtocolError")
        + _in("urllib3.exceptions", "LocationValueError")
        + _in("aiohttp.client_exceptions", "InvalidURL NonHttpUrlClientError TooManyRedirects")
        + _in("http.client", "InvalidURL UnknownProtocol"),
    ),
    ("code", _in("http.client", "ImproperConnectionState")),
    # The network
    (
        "network-timeout",
        (
            "requests.exceptions.Timeout",
            "httpx.TimeoutException",
            "httpcore.TimeoutException",
            "urllib3.exceptions.TimeoutError",
            "botocore.exceptions.ConnectTimeoutError",
            "botocore.exceptions.ReadTimeoutError",
            "celery.exceptions.TimeoutError",
            "TimeoutError",
        ),
    ),
    (
        "network",
        (
            *_in("requests.exceptions", "ConnectionError ChunkedEncodingError RetryError"),
            "httpx.TransportError",
            *_in("httpcore", "NetworkError ProtocolError ProxyError"),
            "urllib3.exceptions.HTTPError",
            "urllib.error.URLError",
            "http.client.HTTPException",
            *_in("aiohttp.client_exceptions", "ClientConnectionError ClientPayloadError"),
            *_in(
                "botocore.exceptions",
                "HTTPClientError ConnectionError IncompleteReadError ResponseStreamingError "
                "MetadataRetrievalError CredentialRetrievalError",
            ),
            "ConnectionError",
            "asyncio.exceptions.IncompleteReadError",
            "socket.gaierror",
            "socket.herror",
            "ssl.SSLError",
            *_in("smtplib", "SMTPServerDisconnected SMTPConnectError SMTPHeloError"),
        ),
    ),
    (
        "http-request",
        (
            "requests.exceptions.RequestException",
            "httpx.HTTPError",
            "aiohttp.client_exceptions.ClientError",
            *_in("botocore.exceptions", "BotoCoreError ClientError"),
            "grpc.RpcError",
            "twilio.base.exceptions.TwilioException",
            "slack_sdk.errors.SlackClientError",
            "google.api_core.exceptions.GoogleAPIError",
        ),
    ),
    ("mail-refused", _in("smtplib", "SMTPException")),
    # The machine
    ("resources", ("MemoryError",)),
    ("file", _in("", "FileNotFoundError FileExistsError IsADirectoryError NotADirectoryError")),
    ("os-error", ("OSError",)),
    # Bugs
    (
        "code",
        _in(
            "",
            "TypeError AttributeError LookupError NameError AssertionError ArithmeticError NotImplementedError "
            "RecursionError SyntaxError ValueError StopIteration BufferError SystemExit",
        ),
    ),
)
