"""The built-in classification: exception classes -> what broke and what to do. The first row that matches counts.

A row's exceptions match subclasses too, by dotted path, so nothing is imported that the site does not use.
Sources: https://docs.stripe.com/error-handling, https://docs.djangoproject.com/en/stable/ref/exceptions/,
PEP 249, https://requests.readthedocs.io/en/latest/api/#exceptions, https://www.python-httpx.org/exceptions/.
"""

from __future__ import annotations

from dataclasses import dataclass

from notifier.facts import Category


@dataclass(frozen=True, slots=True)
class Builtin:
    name: str
    exceptions: tuple[str, ...]
    category: Category
    transient: bool
    title: str  # {exc} is the exception's short name
    hint: str


TABLE: tuple[Builtin, ...] = (
    Builtin(
        "worker-lost",
        ("webhooks.exceptions.WorkerLost",),
        Category.WORKER,
        False,
        "its worker died while handling it",
        "Look for an out-of-memory kill or a crash in the worker's log; the event itself may be the cause.",
    ),
    Builtin(
        "stripe-signature",
        ("stripe.SignatureVerificationError",),
        Category.SIGNATURE,
        False,
        "signature does not match",
        "Compare the endpoint's signing secret in the Stripe dashboard with STRIPE_WEBHOOK_SECRET.",
    ),
    Builtin(
        "stripe-rate-limit",
        ("stripe.RateLimitError", "stripe.QuotaExceededError"),
        Category.RATE_LIMIT,
        True,
        "Stripe's rate limit reached",
        "Nothing to do at once: it is retried more slowly. If it lasts, look for what calls the Stripe API in a loop.",
    ),
    Builtin(
        "stripe-credentials",
        ("stripe.AuthenticationError",),
        Category.CONFIGURATION,
        False,
        "Stripe refuses the API key",
        "Check STRIPE_API_KEY: it may have been rolled, or belong to the other mode (test or live).",
    ),
    Builtin(
        "stripe-permission",
        ("stripe.PermissionError",),
        Category.PERMISSION,
        False,
        "the Stripe API key may not do this",
        "Give the restricted key the permission that the message names, or use another key.",
    ),
    Builtin(
        "stripe-connection",
        ("stripe.APIConnectionError",),
        Category.STRIPE_API,
        True,
        "Stripe API out of reach",
        "See status.stripe.com and this machine's way out. Nothing is lost: it is retried.",
    ),
    Builtin(
        "stripe-request",
        ("stripe.InvalidRequestError", "stripe.IdempotencyError", "stripe.CardError"),
        Category.DATA,
        False,
        "Stripe refused the request ({exc})",
        "Read the message: an object may be missing, in the other mode, or a parameter wrong. Fix, then replay.",
    ),
    Builtin(
        "stripe-api",
        ("stripe.APIError",),
        Category.STRIPE_API,
        True,
        "Stripe API error",
        "See status.stripe.com. Nothing is lost: it is retried.",
    ),
    Builtin(
        "stripe-other",
        ("stripe.StripeError",),
        Category.DATA,
        False,
        "Stripe refused ({exc})",
        "Read the message and the request in the Stripe dashboard's logs. Fix, then replay.",
    ),
    Builtin(
        "database-unavailable",
        (
            "django.db.OperationalError",
            "django.db.InterfaceError",
            "psycopg.OperationalError",
            "psycopg.InterfaceError",
        ),
        Category.DATABASE,
        True,
        "database unavailable",
        "Check the database first. Nothing is lost: the event is stored and retried.",
    ),
    Builtin(
        "database-data",
        ("django.db.IntegrityError", "django.db.DataError", "psycopg.IntegrityError", "psycopg.DataError"),
        Category.DATA,
        False,
        "the database refuses the data ({exc})",
        "Look at the constraint that the message names and at the event's data. Fix, then replay.",
    ),
    Builtin(
        "database-transaction",
        ("django.db.transaction.TransactionManagementError",),  # a ProgrammingError, but no migration mends it
        Category.CODE,
        False,
        "a query in a transaction that had already failed",
        "Put what may fail into an atomic() block of its own, or do not catch its error. Deploy, then replay.",
    ),
    Builtin(
        "database-schema",
        ("django.db.ProgrammingError", "psycopg.ProgrammingError"),
        Category.CONFIGURATION,
        False,
        "the database's schema does not fit the code",
        "Run `manage.py migrate`; a migration is probably missing. Then replay.",
    ),
    Builtin(
        "database-other",
        (
            "django.db.Error",
            "psycopg.Error",
            "redis.exceptions.ConnectionError",
            "redis.exceptions.TimeoutError",
        ),
        Category.DATABASE,
        True,
        "database error ({exc})",
        "Check the database first. Nothing is lost: the event is stored and retried.",
    ),
    Builtin(
        "missing-object",
        ("django.core.exceptions.ObjectDoesNotExist", "django.core.exceptions.MultipleObjectsReturned"),
        Category.DATA,
        False,
        "a record it needs is missing or not unique ({exc})",
        "Find the customer or order of this event in the site's data; events may arrive before what they refer to.",
    ),
    Builtin(
        "invalid-data",
        (
            "django.core.exceptions.ValidationError",
            "pydantic_core.ValidationError",  # where pydantic's own is defined
            "json.decoder.JSONDecodeError",
            "UnicodeError",
            "decimal.InvalidOperation",
        ),
        Category.DATA,
        False,
        "data the handler cannot use ({exc})",
        "Compare the event's data with what the handler expects. Fix, then replay.",
    ),
    Builtin(
        "misconfigured",
        (
            "django.core.exceptions.ImproperlyConfigured",
            "django.core.exceptions.AppRegistryNotReady",
            "ImportError",
        ),
        Category.CONFIGURATION,
        False,
        "the site is not configured right ({exc})",
        "Read the message; a setting or a package is missing on this machine. Fix, then replay.",
    ),
    Builtin(
        "not-allowed",
        (
            "django.core.exceptions.PermissionDenied",
            "django.core.exceptions.SuspiciousOperation",
            "PermissionError",
        ),
        Category.PERMISSION,
        False,
        "permission denied ({exc})",
        "Find what was refused in the message: a file, a right in the site, or a remote service.",
    ),
    Builtin(
        "network-timeout",
        (
            "requests.exceptions.Timeout",
            "httpx.TimeoutException",
            "urllib3.exceptions.TimeoutError",
            "TimeoutError",
        ),
        Category.NETWORK,
        True,
        "a service did not answer in time ({exc})",
        "Check the service that the handler calls. Nothing is lost: it is retried.",
    ),
    Builtin(
        "network",
        (
            "requests.exceptions.ConnectionError",
            "requests.exceptions.ChunkedEncodingError",
            "httpx.TransportError",
            "urllib3.exceptions.HTTPError",
            "urllib.error.URLError",
            "http.client.HTTPException",
            "ConnectionError",
            "socket.gaierror",
            "ssl.SSLError",
            "smtplib.SMTPException",
        ),
        Category.NETWORK,
        True,
        "a service is out of reach ({exc})",
        "Check the service that the handler calls and this machine's way out. Nothing is lost: it is retried.",
    ),
    Builtin(
        "http-request",
        ("requests.exceptions.RequestException", "httpx.HTTPError"),
        Category.DATA,  # each request's own trouble: as NETWORK all of them would be one alert
        False,
        "a request to a service failed ({exc})",
        "Read the message: the service that the handler calls refused the request. Fix, then replay.",
    ),
    Builtin(
        "resources",
        ("MemoryError", "RecursionError", "OSError"),
        Category.CODE,
        False,
        "the machine refused ({exc})",
        "Check memory, disk and open files on the worker's machine.",
    ),
    Builtin(
        "code",
        (
            "TypeError",
            "AttributeError",
            "LookupError",
            "NameError",
            "AssertionError",
            "ArithmeticError",
            "NotImplementedError",
            "SyntaxError",
            "ValueError",
            "StopIteration",
            "SystemExit",
        ),
        Category.CODE,
        False,
        "a bug in the handler ({exc})",
        "Fix the handler at the line shown, deploy, then replay.",
    ),
)

UNKNOWN = Builtin(
    "unknown",
    (),
    Category.UNKNOWN,
    False,
    "failed with {exc}",
    "Read the message and the traceback. A CLASSIFY rule gives this exception its own severity and hint.",
)
