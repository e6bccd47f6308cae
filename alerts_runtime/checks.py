"""System checks of the project as a whole."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.db import DEFAULT_DB_ALIAS, connection, router

from alerts_runtime import conf
from alerts_runtime.background import registered
from alerts_runtime.engine import hints
from alerts_runtime.redaction.redact import redact
from alerts_runtime.worker.runner import Worker

_URLS = {"SITE_URL": "https://shop.example", "HEARTBEAT_URL": "https://hc-ping.com/..."}
NEEDED_FOR_SQLITE = ("transaction_mode", "IMMEDIATE")


@register(Tags.database)
def sqlite_waits_for_its_turn(**_kwargs: Any) -> list[CheckMessage]:
    """Check the SQLite options that core.settings sets, and that a site with DATABASES of its own may lack."""
    database = settings.DATABASES["default"]
    option, value = NEEDED_FOR_SQLITE
    if database["ENGINE"] != "django.db.backends.sqlite3" or database.get("OPTIONS", {}).get(option) == value:
        return []
    return [
        checks.Warning(
            "DATABASES['default'] is SQLite and its transactions do not begin as IMMEDIATE: with web processes and "
            'workers at work, some will fail with "database is locked".',
            hint=f"Set DATABASES['default']['OPTIONS']['{option}'] = '{value}', with a timeout of 20.",
            id="alerts_runtime.W001",
        )
    ]


@register(Tags.security)
def hueys_hints_are_signed(**_kwargs: Any) -> list[CheckMessage]:
    """Huey pickles: whoever can write to its Redis could run any code in its workers."""
    if "huey" not in hints.backend():
        return []
    huey = getattr(settings, "HUEY", None)
    serializer = huey.get("serializer") if isinstance(huey, dict) else getattr(huey, "serializer", None)
    if type(serializer).__name__ == "SignedSerializer":
        return []
    return [
        Error(
            "HUEY has no signed serializer: whoever can write to its Redis can run any code in its workers.",
            hint='Set HUEY["serializer"] = huey.serializer.SignedSerializer(secret=SECRET_KEY).',
            id="alerts_runtime.E002",
        )
    ]


@register()
def the_engine_is_one(**_kwargs: Any) -> list[CheckMessage]:
    """ALERTS_ENGINE names a key of TASKS; a site's own TASKS["default"] never becomes the engine by itself."""
    alias, tasks = hints.alias(), hints.engines()
    if not alias:
        return []
    shown = redact(alias, limit=80)
    if alias not in tasks:
        near = get_close_matches(alias, [one for one in tasks if isinstance(one, str)], n=1)
        problem = f"ALERTS_ENGINE is {shown!r}, which is not a key of TASKS, so `manage.py worker` does all the work."
        hint = f"Did you mean {near[0]!r}?" if near else "Leave it empty for no engine."
    elif hints.runs_nothing(hints.backend()):
        problem = f"ALERTS_ENGINE is {shown!r}, whose backend runs nothing in the background."
        hint = "Leave it empty: `manage.py worker` does all the work."
    else:
        return []
    return [Error(problem, hint=hint, id="alerts_runtime.E005")]


@register(Tags.database)
def the_database_is_known(**_kwargs: Any) -> list[CheckMessage]:
    """SQLite and PostgreSQL are tested; the claims of rows and the one statement for a duplicate need them."""
    if connection.vendor in ("sqlite", "postgresql"):
        return []
    return [
        Error(
            f"DATABASES['default'] is {connection.display_name}: events can be kept in SQLite and PostgreSQL alone.",
            hint="Make one of these the default, and route your own apps to the other by DATABASE_ROUTERS.",
            id="alerts_runtime.E006",
        )
    ]


@register(Tags.database)
def our_tables_are_in_the_default_database(**_kwargs: Any) -> list[CheckMessage]:
    """The hot statements are SQL on `django.db.connection`, past DATABASE_ROUTERS."""
    found: list[CheckMessage] = []
    for app in filter(lambda app: app.label.startswith("swa_"), apps.get_app_configs()):
        aliases = {ask(model) for model in app.get_models() for ask in (router.db_for_read, router.db_for_write)}
        if other := sorted(aliases - {DEFAULT_DB_ALIAS}):
            found.append(
                Error(
                    f"DATABASE_ROUTERS send the tables of {app.name} to {other[0]!r}: they can only be in 'default'.",
                    hint=f"Let your routers return None for the app label {app.label!r}.",
                    id="alerts_runtime.E007",
                )
            )
    return found


@register()
def times_have_zones(**_kwargs: Any) -> list[CheckMessage]:
    if settings.USE_TZ:
        return []
    return [
        Error(
            "USE_TZ is False: times without a zone cannot be compared with Stripe's, nor told to people elsewhere.",
            hint="Set USE_TZ = True, as new projects have it. TIME_ZONE stays the zone of what people read.",
            id="alerts_runtime.E008",
        )
    ]


@register()
def numbers_fit(**_kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if not conf.is_threads(getattr(settings, "WORKER_THREADS", conf.THREADS)):
        found.append(
            Error(
                f"WORKER_THREADS is not a whole number from 1 to {conf.MOST_THREADS}: {conf.THREADS} is taken instead.",
                hint="Write it without quotes: WORKER_THREADS = 4, or int(os.environ[...]).",
                id="alerts_runtime.E001",
            )
        )
    if not conf.is_lease(getattr(settings, "ALERTS_LEASE", conf.LEASE)):
        found.append(
            Error(
                f"ALERTS_LEASE is not a number of seconds up to {conf.LONGEST_LEASE}: {conf.LEASE} is taken instead.",
                hint="Write it without quotes: ALERTS_LEASE = 15, or int(os.environ[...]).",
                id="alerts_runtime.E009",
            )
        )
    return found


@register()
def texts_are_texts(**_kwargs: Any) -> list[CheckMessage]:
    """Check that settings that must be texts are, and not numbers, bytes or lists."""
    values = {name: getattr(settings, name, "") for name in ("METRICS_TOKEN", "ALERTS_ENGINE", "TASKS_QUEUE", *_URLS)}
    return [
        Error(f"{name} is not a text.", hint="Write it in quotes, or leave it out.", id="alerts_runtime.E010")
        for name, value in values.items()
        if value is not None and not isinstance(value, str)
    ]


@register(Tags.database, deploy=True)
def a_worker_takes_connections(**_kwargs: Any) -> list[CheckMessage]:
    """Tell how many connections a worker takes, for the database's limit; on SQLite there is no limit."""
    if connection.vendor == "sqlite":
        return []
    try:
        number = Worker(registered()).connections
    except ImproperlyConfigured:  # another check reports it
        return []
    return [
        checks.Info(
            f"One worker takes {number} connections to the database when all of its threads are at work.",
            hint="All workers' together, and one for each thread of the web service, must be fewer than its limit.",
            id="alerts_runtime.I001",
        )
    ]


@register(Tags.security)
def addresses_can_be_used(**_kwargs: Any) -> list[CheckMessage]:
    """SITE_URL makes the links in messages, HEARTBEAT_URL is called, ADMINS are who hears when no channel works."""
    found: list[CheckMessage] = []
    for name, example in _URLS.items():
        if wrong := _wrong_url(getattr(settings, name, "")):
            found.append(Error(f"{name} {wrong}.", hint=f"Write it such as {example}.", id="alerts_runtime.E003"))
    if not isinstance(settings.ADMINS, list | tuple):
        hint = 'Write such as ["team@example.com"]; on Django 5.2 as [("Team", "team@example.com")].'
        found.append(Error("ADMINS is not a list.", hint=hint, id="alerts_runtime.E004"))
    elif wrong_ones := [number for number, one in enumerate(settings.ADMINS) if not _is_address(one)]:
        found.append(
            Error(
                f"ADMINS[{wrong_ones[0]}] has no email address, so the last resort could tell nobody.",
                hint='Write such as "team@example.com"; on Django 5.2 as ("Team", "team@example.com").',
                id="alerts_runtime.E004",
            )
        )
    return found


def _wrong_url(url: object) -> str:
    if not url or not isinstance(url, str):  # no text has a check of its own
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https"):
        return "has no scheme"
    return "" if parts.hostname else "names no host"


def _is_address(admin: object) -> bool:
    address = admin[-1] if isinstance(admin, (list, tuple)) and admin else admin
    try:
        validate_email(address if isinstance(address, str) else "")
    except ValidationError:
        return False
    return True
