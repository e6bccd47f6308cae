"""Our loggers on a site that knows nothing of this project's settings and has set up logging in its own way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from alerts_runtime.redaction.loggers import get_logger
from tests.logged import capture_logs

SITE = """
import logging, logging.config, os, sys
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "alerts_runtime", "notifier"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "PASSWORD": "db-canary-1"}},
    SECRET_KEY="key-canary-2-" + "x" * 40,
    SHOP={"payments": [{"api_secret": "shop-canary-3"}]},
    LEGACY_TOKEN_OF_SLACK="canary4aaaa9",
    QUEUE="amqp://shop:queue-canary-5@10.0.0.7/",
    CACHES={"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache",
                        "LOCATION": "redis://:cache-canary-6@10.0.0.7"}},
    SHOP_AUTH_MODEL="shop.Customer", TOKEN_COUNT=12345678, FEATURE_KEYS="checkout",
)
SET_UP
import django
django.setup()
from alerts_runtime.redaction.loggers import get_logger
log = get_logger("notifier.flow.pipeline")
texts = ["db-canary-1", settings.SECRET_KEY, "shop-canary-3", "canary4aaaa9", "queue-canary-5", "cache-canary-6"]

def fail(api_key):
    raise ValueError("no such plan: " + api_key)

for text in texts:
    log.error("it failed: " + text, note=text, card="4242424242424242")
    try:
        fail(text)
    except ValueError:
        log.exception("recorded")
log.warning("said of shop.Customer and checkout", count=3)
"""
PLAIN = "logging.basicConfig(level=logging.INFO, stream=sys.stdout, format='%(levelname)s %(name)s %(message)s')"
WAYS: Sequence[tuple[str, str]] = [
    ("logging is not set up", ""),
    ("plain", PLAIN),
    ("structlog of the site's own, which shows local variables", PLAIN + "; import structlog; structlog.configure()"),
    (
        "structlog's formatter",
        """
import structlog
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer()))
logging.root.addHandler(handler)
""",
    ),
]


@pytest.mark.parametrize("set_up", [way for _, way in WAYS], ids=[name for name, _ in WAYS])
def test_no_secret_of_any_setting_reaches_a_log(set_up: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SITE.replace("SET_UP", set_up)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    written = done.stdout + done.stderr
    assert written.count("it failed: [secret]") == 6
    assert written.count("ValueError: no such plan: [secret]") == 6
    assert "said of shop.Customer and checkout" in written
    assert "[card]" in written
    for secret in ("canary", "4242"):
        assert secret not in written


def test_one_entry_of_logging_sets_up_all_of_ours_and_nothing_else() -> None:
    ours = "logging.config.dictConfig({'version': 1, 'loggers': {'stripe_alerts': {'level': 'ERROR'}}})"
    done = subprocess.run(
        [sys.executable, "-c", SITE.replace("SET_UP", f"{PLAIN}; {ours}")], capture_output=True, text=True
    )
    assert "ERROR stripe_alerts.notifier.flow.pipeline it failed" in done.stdout
    assert "said of shop.Customer" not in done.stdout


def test_a_plain_format_reads_as_one_line() -> None:
    done = subprocess.run([sys.executable, "-c", SITE.replace("SET_UP", PLAIN)], capture_output=True, text=True)
    assert (
        "ERROR stripe_alerts.notifier.flow.pipeline it failed: [secret] note='[secret]' card='[card]'\n" in done.stdout
    )
    assert "WARNING stripe_alerts.notifier.flow.pipeline said of shop.Customer and checkout count=3\n" in done.stdout


def test_an_exception_that_cannot_be_read_is_said_to_be_one() -> None:
    class HostileError(Exception):
        @property  # type: ignore[misc] # hostile
        def __class__(self) -> Any:
            raise SystemExit(3)

        def __str__(self) -> str:
            raise SystemExit(3)

    with capture_logs() as lines:
        try:
            raise HostileError
        except HostileError:
            get_logger("notifier.flow").exception("it.failed")
    assert lines[0]["event"] == "it.failed"
    assert "HostileError" in lines[0]["exception"] or "SystemExit" in lines[0]["exception"]
