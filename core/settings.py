"""Every setting once, by section, from the environment. `.env.example` describes each variable."""

import os
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import django

from alerts_runtime.database.private_files import make_file, make_folder
from alerts_runtime.redaction.logs import logging_config
from core.environment import Environment, end

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
make_folder(VAR_DIR)

env = Environment()
env.read_env(os.environ.get("DJANGO_ENV_FILE", str(BASE_DIR / ".env")))
env.ENVIRON = {name: value for name, value in os.environ.items() if value}  # empty means default

# --- Django -----------------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", False)
DEMO = env.bool("DEMO", False)
SECRET_KEY = env.str("SECRET_KEY", "")
if not SECRET_KEY:
    end("SECRET_KEY is not set: `make setup` writes one into .env, or set it to fifty random characters.")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
TIME_ZONE = env.zone("TIME_ZONE", "UTC")
USE_TZ = True
LANGUAGE_CODE = "en"
ROOT_URLCONF = "core.urls"
WSGI_APPLICATION = "core.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "alerts_runtime",
    "webhooks",
    "notifier",
    *env.apps("SITE_APPS"),  # the site's own apps: their stripe_handlers.py are found by themselves
]
MIDDLEWARE = [
    "webhooks.middleware.CountRefusedBefore",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
make_folder(STATIC_ROOT)
WHITENOISE_USE_FINDERS = True  # the admin's files are few; no collectstatic before a first look
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]

# --- Logging in -----------------------------------------------------------------------------------------------------

LOGIN_URL = "notifier_pages:login"
LOGIN_REDIRECT_URL = "notifier_pages:now"
# Five wrong passwords for one name from one address, and the next are not even looked at for a quarter of an hour.
# https://django-axes.readthedocs.io
if env.bool("LOGIN_LIMIT", not DEBUG):
    INSTALLED_APPS.append("axes")
    MIDDLEWARE.append("axes.middleware.AxesMiddleware")
    AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
    AXES_FAILURE_LIMIT = 5
    AXES_COOLOFF_TIME = timedelta(minutes=15)
    AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
    AXES_RESET_ON_SUCCESS = True
    AXES_DISABLE_ACCESS_LOG = True  # who logged in when is not ours to keep
    AXES_VERBOSE = False
    AXES_LOCKOUT_CALLABLE = "notifier.pages.login.locked_out"

# --- HTTPS --------------------------------------------------------------------------------------------------------

HTTPS_ONLY = env.bool("HTTPS_ONLY", not DEBUG)
SECURE_SSL_REDIRECT = HTTPS_ONLY
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", 31_536_000) if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
SECURE_HSTS_PRELOAD = HTTPS_ONLY
if env.bool("BEHIND_PROXY", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Database -----------------------------------------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {"default": env.database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    if _database["NAME"] != ":memory:":
        make_file(Path(_database["NAME"]))  # SQLite itself would let everybody read it
    # A 200 to Stripe means stored, power cut or not: synchronous=FULL. IMMEDIATE, since a transaction that begins
    # by reading and then writes fails at once under WAL, whatever the timeout (SQLITE_BUSY_SNAPSHOT).
    _database.setdefault("OPTIONS", {}).update(
        timeout=20,
        transaction_mode="IMMEDIATE",
        init_command="PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;",
    )
    # Whoever closes a file's last connection writes its whole WAL back: done at every request, that took longer than
    # the request (measured). Not for ever, so that a file that was put back from a backup is found.
    _database.setdefault("CONN_MAX_AGE", 60)
else:
    # A connection per request costs four fifths of the throughput (measured).
    _database.setdefault("CONN_MAX_AGE", None)
    _database.setdefault("CONN_HEALTH_CHECKS", True)
    if _database["ENGINE"] == "django.db.backends.postgresql":
        _database["ENGINE"] = "alerts_runtime.database.postgresql"
        # Whoever is cut off must notice. This side: a host that is gone is given up after 5 s, a connection to one
        # after 20 s, where Linux waits for minutes or, without keepalives, for ever. The server's side: else the locks
        # of a worker that was cut off are held for two hours, and nobody can take over what it held.
        # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
        _database["OPTIONS"] = {
            # Statements are planned once: a third of PostgreSQL's time for an event (measured).
            # https://www.psycopg.org/psycopg3/docs/advanced/prepare.html
            "server_side_binding": True,
            "prepare_threshold": 5 if env.bool("DATABASE_PREPARE", True) else None,
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
            "options": "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"
            " -c tcp_user_timeout=10000",
            **_database.get("OPTIONS", {}),
        }

# --- Stripe's webhooks --------------------------------------------------------------------------------------------

STRIPE_API_KEY = env.str("STRIPE_API_KEY", "")
# More endpoints: STRIPE_WEBHOOK_ENDPOINTS=connect and their secrets in STRIPE_WEBHOOK_SECRET_CONNECT.
# What STRIPE_WEBHOOK_LIVEMODE and STRIPE_WEBHOOK_API_VERSION say is per endpoint as well.


def _endpoint(suffix: str) -> dict[str, Any]:
    found: dict[str, Any] = {"SECRETS": env.list(f"STRIPE_WEBHOOK_SECRET{suffix}", default=[])}
    if env.str(f"STRIPE_WEBHOOK_LIVEMODE{suffix}", ""):
        found["LIVEMODE"] = env.bool(f"STRIPE_WEBHOOK_LIVEMODE{suffix}")
    if version := env.str(f"STRIPE_WEBHOOK_API_VERSION{suffix}", ""):
        found["API_VERSION"] = version
    return found


WEBHOOKS: dict[str, Any] = {
    "ENDPOINTS": {
        "default": _endpoint(""),
        **{_name: _endpoint(f"_{_name.upper()}") for _name in env.list("STRIPE_WEBHOOK_ENDPOINTS", default=[])},
    },
    "TOLERANCE": env.int("WEBHOOK_TOLERANCE", 300, least=1),
    "MAX_BODY": env.int("WEBHOOK_MAX_BODY", 1_048_576, least=1),
    "MODE": env.str("WEBHOOK_MODE", "worker"),
    "MESSAGES": env.str("WEBHOOK_MESSAGES", "full"),
    "HANDLER_TIMEOUT": env.int("WEBHOOK_HANDLER_TIMEOUT", 900, least=1),
    "RETENTION_DAYS": env.int("WEBHOOK_RETENTION_DAYS", 90, least=1),
}

# --- Worker -------------------------------------------------------------------------------------------------------

WORKER_THREADS = env.int("WORKER_THREADS", 4, least=1)
# Seconds after which others take over the work of a process that has died.
ALERTS_LEASE = env.int("ALERTS_LEASE", 15, least=1)

# --- Engine -------------------------------------------------------------------------------------------------------

# What runs the background work: `manage.py worker` alone, or a task queue of this site, which gets a task when there is
# something to do. docs/howto/ has a page for each. Its own retries and delays are not used: the tables have due times.
_engine = env.str("TASKS", "worker")
_engines = {
    "worker": "django.tasks.backends.immediate.ImmediateBackend",  # Django's default; nothing is ever enqueued
    "celery": "django_tasks_fennel.CeleryBackend",
    "huey": "huey.contrib.djhuey.tasks_backend.HueyBackend",
}
if _engine not in _engines and "." not in _engine:
    end(f"TASKS={_engine} is not an engine: it must be {', '.join(_engines)} or the dotted path of a Tasks backend.")
if _engine in ("celery", "huey") and not find_spec(_engines[_engine].partition(".")[0]):
    end(f"TASKS={_engine} needs packages that are not installed: pip install -r requirements-{_engine}.txt")
TASKS_QUEUE = env.str("TASKS_QUEUE", "alerts")  # a name of its own: brokers are shared
TASKS = {"default": {"BACKEND": _engines.get(_engine, _engine), "QUEUES": [TASKS_QUEUE]}}
ALERTS_ENGINE = "" if _engine == "worker" else "default"  # the key of TASKS whose engine works here
if _engine == "celery":
    CELERY_BROKER_URL = env.str("BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")
    CELERY_BROKER_CONNECTION_TIMEOUT = 2  # seconds
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
    CELERY_TASK_PUBLISH_RETRY = False
    CELERY_TASK_IGNORE_RESULT = True
    CELERY_ACCEPT_CONTENT = ["json"]  # pickled, what lies in the broker could run any code here
    CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = CELERY_EVENT_SERIALIZER = "json"
    # A stopped engine must not be flooded: hints that nobody takes are dropped, and cost nothing.
    CELERY_TASK_QUEUES = {
        TASKS_QUEUE: {
            "routing_key": TASKS_QUEUE,
            "queue_arguments": {"x-message-ttl": 60_000, "x-max-length": 1000, "x-overflow": "drop-head"},
        }
    }
    CELERY_WORKER_POOL = "threads"  # the work waits for databases and providers, and prefork costs memory
    CELERY_WORKER_CONCURRENCY = env.int("ENGINE_THREADS", 10, least=1)
    CELERY_WORKER_PREFETCH_MULTIPLIER = 1
    CELERY_DB_REUSE_MAX = 1_000_000  # else every task opens a connection: nearly 20 ms of an alert's way (measured)
    # It waits for the broker's answer in the thread of a task, beside the consumer's own reading: after a reconnect the
    # connection then breaks again and again, with UnexpectedFrame (Celery 5.7.0).
    CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False
    CELERY_WORKER_HIJACK_ROOT_LOGGER = False
    CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
    INSTALLED_APPS.append("django_tasks_fennel")
elif _engine == "huey":
    from huey.serializer import SignedSerializer  # type: ignore[import-untyped]  # Huey ships no types
    from redis import ConnectionPool

    if not SECRET_KEY:
        end("TASKS=huey needs SECRET_KEY: hints are signed with it.")

    HUEY = {
        "name": TASKS_QUEUE,
        "huey_class": "huey.RedisExpireHuey",
        "expire_time": 600,  # seconds; the Tasks backend keeps a record of each hint
        "immediate": False,  # else DEBUG would run the work in the request
        "connection": {
            "connection_pool": ConnectionPool.from_url(
                env.str("REDIS_URL", "redis://127.0.0.1:6379/0"), socket_connect_timeout=2, socket_timeout=5
            )
        },
        # Unsigned, what lies in Redis is unpickled: whoever can write there could run any code here.
        "serializer": SignedSerializer(secret=SECRET_KEY, salt="stripe-webhook-alerts"),
        "consumer": {"workers": env.int("ENGINE_THREADS", 10, least=1), "worker_type": "thread", "periodic": False},
    }
    INSTALLED_APPS.append("huey.contrib.djhuey")

# --- Providers ----------------------------------------------------------------------------------------------------

SLACK_BOT_TOKEN = env.str("SLACK_BOT_TOKEN", "")
SLACK_CHANNEL = env.str("SLACK_CHANNEL", "#payments")
if os.environ.get("SLACK_CHANNEL") == "":  # set, and empty: a team without Slack
    SLACK_CHANNEL = ""
SLACK_WEBHOOK_URL = env.str("SLACK_WEBHOOK_URL", "")
SLACK_API_URL = env.str("SLACK_API_URL", "https://slack.com/api/")
SLACK_SIGNING_SECRET = env.str("SLACK_SIGNING_SECRET", "")  # lets people answer by buttons and /alerts, over HTTP
SLACK_APP_TOKEN = env.str("SLACK_APP_TOKEN", "")  # the same without a public address: manage.py slackbot

TWILIO_ACCOUNT_SID = env.str("TWILIO_ACCOUNT_SID", "")
TWILIO_AUTH_TOKEN = env.str("TWILIO_AUTH_TOKEN", "")
TWILIO_FROM = env.str("TWILIO_FROM", "")  # a number, or a messaging service (MG...)
TWILIO_API_URL = env.str("TWILIO_API_URL", "")  # empty: Twilio's own

EMAIL_BACKEND_PATH = env.str("EMAIL_BACKEND", "")
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "alerts@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
_admins = env.list("ADMINS", default=[])
ADMINS: list[Any] = _admins if django.VERSION >= (6, 0) else [("", address) for address in _admins]
EMAIL_TIMEOUT_SECONDS = 10
_smtp = {
    "host": env.str("EMAIL_HOST", "localhost"),
    "port": env.int("EMAIL_PORT", 25, least=1, most=65_535),
    "username": env.str("EMAIL_HOST_USER", ""),
    "password": env.str("EMAIL_HOST_PASSWORD", ""),
    "use_tls": env.bool("EMAIL_USE_TLS", False),
}
ANYMAIL: dict[str, Any] = {
    _key: env.str(_key)
    for _key in (
        "BREVO_API_KEY",
        "BREVO_API_URL",
        "MAILGUN_API_KEY",
        "MAILGUN_API_URL",
        "MAILGUN_SENDER_DOMAIN",
        "POSTMARK_API_URL",
        "POSTMARK_SERVER_TOKEN",
        "RESEND_API_KEY",
        "RESEND_API_URL",
    )
    if env.str(_key, "")
}
ANYMAIL["REQUESTS_TIMEOUT"] = EMAIL_TIMEOUT_SECONDS
_ses = {"region_name": env.str("AWS_REGION", ""), "endpoint_url": env.str("AMAZON_SES_ENDPOINT_URL", "")}
ANYMAIL["AMAZON_SES_CLIENT_PARAMS"] = {_key: _value for _key, _value in _ses.items() if _value}
_backend = EMAIL_BACKEND_PATH or "django.core.mail.backends.console.EmailBackend"
_is_smtp = _backend == "django.core.mail.backends.smtp.EmailBackend"
if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {
            "BACKEND": _backend,
            "OPTIONS": {**_smtp, "timeout": EMAIL_TIMEOUT_SECONDS} if _is_smtp else {},
        }
    }
else:
    EMAIL_BACKEND = _backend
    EMAIL_HOST, EMAIL_PORT, EMAIL_USE_TLS = _smtp["host"], _smtp["port"], _smtp["use_tls"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _smtp["username"], _smtp["password"]
    EMAIL_TIMEOUT = EMAIL_TIMEOUT_SECONDS

# --- Alerts: who is told what, when -------------------------------------------------------------------------------

SITE_URL = env.web_address("SITE_URL")  # e.g. https://shop.example: makes "Open alert" links
_slack_kind = "slack_webhook" if SLACK_WEBHOOK_URL and not SLACK_BOT_TOKEN else "slack"
ONCALL_NUMBERS: list[str] = env.list("ONCALL_NUMBERS", default=[])
ALERT_EMAIL_TO: list[str] = env.list("ALERT_EMAIL_TO", default=[])
_all: dict[str, dict[str, Any]] = {
    "slack": {"BACKEND": _slack_kind, "TO": SLACK_CHANNEL},
    "oncall": {"BACKEND": "sms", "TO": ONCALL_NUMBERS},
    "team": {"BACKEND": "email", "TO": ALERT_EMAIL_TO},
}
# A channel whose variable is empty is left out. Not one that somebody began to set up, nor where it prints instead.
_channels = {
    alias: channel
    for alias, channel in _all.items()
    if channel["TO"] or DEBUG or DEMO or (alias == "oncall" and TWILIO_ACCOUNT_SID)
}


def _kept(*aliases: str) -> list[str]:
    return [alias for alias in aliases if alias in _channels]


NOTIFIER: dict[str, Any] = {
    "CHANNELS": _channels,
    "ROUTES": {
        "critical": _kept("slack", "oncall", "team"),
        "error": _kept("slack") or _kept("team"),
        "warning": _kept("slack") or _kept("team"),
        "*": [],
    },
    "RELEASE": env.str("RELEASE", ""),
    "DIGESTS": {"daily": {"AT": env.str("DIGEST_AT", "08:00"), "TO": _kept("team") or _kept("slack")}},
}

# --- Observability ------------------------------------------------------------------------------------------------

METRICS_TOKEN = env.str("METRICS_TOKEN", "")
HEARTBEAT_URL = env.web_address("HEARTBEAT_URL")
# Probes and scrapers speak plain HTTP to the process, past the proxy that knows HTTPS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
# Delivery receipts: Twilio posts to this URL what became of an SMS; Anymail's tracking needs "user:password".
TWILIO_STATUS_CALLBACK = f"{SITE_URL.rstrip('/')}/notifier/twilio/status/" if SITE_URL.startswith("http") else ""
TWILIO_VOICE_FROM = env.str("TWILIO_VOICE_FROM", "")  # a number that can call, for channels of the kind "voice"
TWILIO_VOICE_ANSWERS = env.str("TWILIO_VOICE_ANSWERS", "")  # where Twilio posts the keys that are pressed in a call
TWILIO_INBOUND = env.str("TWILIO_INBOUND", "")  # where Twilio posts what people answer; empty: they cannot
if env.str("ANYMAIL_WEBHOOK_SECRET", ""):
    ANYMAIL["WEBHOOK_SECRET"] = env.str("ANYMAIL_WEBHOOK_SECRET")

# --- Logs ---------------------------------------------------------------------------------------------------------

LOGGING = logging_config(json=env.bool("LOG_JSON", not DEBUG and not DEMO), level=env.level("LOG_LEVEL", "INFO"))
