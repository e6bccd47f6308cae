"""What a site still has to write before alerts are sent, as lines to copy: for `manage.py notifier_setup`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import URLPattern, URLResolver, get_resolver

from alerts_runtime.models import WorkerHeartbeat

PROBES, REFUSALS = "alerts_runtime.middleware.AnswerProbes", "webhooks.middleware.CountRefusedBefore"


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do: `lines` belong into the file `where`, or are commands when it is empty."""

    where: str
    lines: tuple[str, ...]
    why: str


def missing() -> list[Step]:
    """Everything that this site lacks, in the order in which it is done."""
    return [*_settings(), *_urls(), *_commands()]


def _settings() -> Iterator[Step]:
    receives = apps.is_installed("webhooks")
    if not receives and not apps.is_installed("djstripe"):
        yield Step("settings", ('INSTALLED_APPS += ["webhooks"]',), "nothing here takes Stripe's events")
    if receives and not getattr(settings, "WEBHOOKS", None):
        line = 'WEBHOOKS = {"ENDPOINTS": {"default": {"SECRETS": os.environ["STRIPE_WEBHOOK_SECRET"].split(",")}}}'
        yield Step("settings", ("import os", line), "the signing secret that Stripe shows for the endpoint")
    if not getattr(settings, "NOTIFIER", None):
        yield Step("settings", tuple(_notifier()), "who is told, and by which way")
    first = [PROBES, *([REFUSALS] if receives else [])]
    if absent := [name for name in first if name not in settings.MIDDLEWARE]:
        names = ", ".join(f'"{name}"' for name in absent)
        why = "probes come by address, and refused deliveries are counted" if receives else "probes come by address"
        yield Step("settings", (f"MIDDLEWARE = [{names}, *MIDDLEWARE]",), why)
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3") and "transaction_mode" not in database.get("OPTIONS", {}):
        options = '{"timeout": 20, "transaction_mode": "IMMEDIATE"}'
        yield Step("settings", (f'DATABASES["default"]["OPTIONS"] = {options}',), 'or "database is locked" comes')


def _notifier() -> Iterator[str]:
    """A table with the channels whose credentials are there; Slack when there are none yet."""
    channels = {
        "slack": ('{"BACKEND": "slack", "TO": "#payments"}', "SLACK_BOT_TOKEN"),
        "oncall": ('{"BACKEND": "sms", "TO": ["+14155552671"]}', "TWILIO_ACCOUNT_SID"),
    }
    found = [name for name, (_, credential) in channels.items() if getattr(settings, credential, "")] or ["slack"]
    if "slack" in found and not getattr(settings, "SLACK_BOT_TOKEN", ""):
        yield 'SLACK_BOT_TOKEN = os.environ["SLACK_BOT_TOKEN"]'
    yield "NOTIFIER = {"
    yield '    "CHANNELS": {'
    yield from (f'        "{name}": {channels[name][0]},' for name in found)
    yield "    },"
    names = ", ".join(f'"{name}"' for name in found)
    yield f'    "ROUTES": {{"critical": [{names}], ">=warning": ["{found[0]}"], "*": []}},'
    yield "}"


def _urls() -> Iterator[Step]:
    wanted = {"alerts_runtime.urls": "", "notifier.urls": "", "notifier.pages.urls": "alerts/"}
    if apps.is_installed("webhooks"):
        wanted = {"webhooks.urls": ""} | wanted
    there = set(_included(get_resolver()))
    if absent := [name for name in wanted if name not in there]:
        lines = (f'    path("{wanted[name]}", include("{name}")),' for name in absent)
        head = ("from django.urls import include, path", "urlpatterns += [")
        yield Step("urls", (*head, *lines, "]"), "events, probes, receipts, and the pages that messages link to")


def _included(resolver: URLResolver) -> Iterator[str]:
    for one in resolver.url_patterns:
        if isinstance(one, URLPattern):
            continue
        yield str(getattr(one.urlconf_module, "__name__", ""))
        yield from _included(one)


def _commands() -> Iterator[Step]:
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            yield Step("", ("manage.py migrate",), "tables are missing")
            return
        if not get_user_model()._default_manager.filter(is_superuser=True).exists():
            yield Step("", ("manage.py createsuperuser",), "nobody could log in to the pages")
        if not WorkerHeartbeat.objects.exists():
            yield Step("", ("manage.py worker",), "no worker runs: start one beside the web server")
    except DatabaseError as error:
        yield Step("", ("manage.py check --database default",), f"the database cannot be asked: {type(error).__name__}")
