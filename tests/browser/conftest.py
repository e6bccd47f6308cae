"""A browser that is driven: Debian's Chromium. Where there is none the tests are left out, and say so; CI fails."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from notifier.channels import memory
from notifier.models import Alert
from notifier.pages import groups, sample
from tests.notifier.pages.conftest import mail_in_memory
from webhooks.models import WebhookEvent
from webhooks.process.failures import forget_tracebacks

# Debian's package without windows first: it takes half the time of a processor (4.5 s instead of 8.4 for eight pages).
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), "")
PASSWORD = "a long enough word"
# What the made-up day was told by, as channels that can be drawn; nothing is sent by them.
CHANNELS: dict[str, Any] = {
    "slack": {"BACKEND": "slack", "TO": ["#payments"], "OPTIONS": {"token": "xoxb-1", "signing_secret": "secret"}},
    "oncall": {
        "BACKEND": "sms",
        "TO": ["+15005550006"],
        "OPTIONS": {"account_sid": "AC1", "auth_token": "token", "from": "+15005550001"},
    },
    "team": {"BACKEND": "email", "TO": ["team@example.com"], "OPTIONS": {"from_email": "alerts@example.com"}},
}
REFUSED = "Failed to load resource: the server responded with a status of 4"  # what a browser says of a page in words


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Not pytest-playwright's, which leaves its event loop in the thread of all tests that follow."""
    if not CHROMIUM:
        reason = "no Chromium here, so no page is driven: apt-get install chromium-headless-shell"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop runs in this thread
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@dataclass
class Site:
    """A made-up day of a shop, served."""

    url: str
    critical: Alert
    taken: Alert
    event: WebhookEvent

    @property
    def pages(self) -> dict[str, str]:
        return {
            "now": "/alerts/",
            "resolved": "/alerts/?state=resolved",
            "alert": f"/alerts/{self.critical.pk}/",
            "taken": f"/alerts/{self.taken.pk}/",
            "events": "/alerts/events/",
            "event": f"/alerts/events/{self.event.event_id}/",
            "silences": f"/alerts/silences/?alert={self.taken.pk}",
            "oncall": "/alerts/oncall/",
            "log": "/alerts/log/",
            "routing": "/alerts/routing/",
            "digests": "/alerts/digests/",
        }


@pytest.fixture
def site(browser: Browser, live_server: LiveServer, settings: Settings) -> Iterator[Site]:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    cache.clear()
    now = timezone.now()
    forget_tracebacks()  # another test's are gone
    sample.seed(now, by="demo")
    mail_in_memory(settings)
    settings.NOTIFIER = sample.CHANNELS | {
        "CHANNELS": CHANNELS,
        "PEOPLE": {"alice": {"NAME": "Alice"}, "bob": {"NAME": "Bob"}},
        "ONCALL": {
            "payments": {
                "TZ": "Europe/Berlin",
                "HANDOVER": "Mon 09:00",
                "START": f"{now - timedelta(days=21):%Y-%m-%d}",
                "MEMBERS": ["alice", "bob", None],
            }
        },
    }
    call_command("digest", "daily", stdout=io.StringIO())
    user = User.objects.create_user("demo", password=PASSWORD)
    groups.make()
    user.groups.set(Group.objects.all())
    open_ones = Alert.objects.filter(resolved_at__isnull=True).order_by("-severity")
    taken = open_ones.filter(acknowledged_until__isnull=False).first()
    event = WebhookEvent.objects.filter(state=WebhookEvent.State.DEAD).first()
    assert taken is not None
    assert event is not None
    yield Site(live_server.url, open_ones[0], taken, event)
    memory.clear()


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    """A page of somebody who is logged in, unless the test wants to do that itself. What goes wrong in it fails."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def open_page(path: str, *, width: int = 1280, logged_in: bool = True, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, base_url=site.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on(
            "console",
            lambda said: (
                wrong.append(said.text)
                if said.type in ("error", "warning") and not said.text.startswith(REFUSED)
                else None
            ),
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda one: None if one.url.startswith(site.url) else wrong.append(f"asked {one.url}"))
        if logged_in:
            log_in(page)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def log_in(page: Page) -> None:
    page.goto("/alerts/login/")
    page.get_by_label("User name").fill("demo")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.wait_for_url("**/alerts/")


SCREENSHOTS = Path(found) if (found := os.environ.get("SCREENSHOTS", "")) else None
