"""Which secret signs, and in which version events come: noticed on the way, told once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django
import pytest
from django.core import mail
from django.test import override_settings

from tests.webhooks.conftest import Change
from tests.webhooks.stripe_side import deliver
from webhooks import samples
from webhooks.conf import Endpoint
from webhooks.handlers import on
from webhooks.models import SecretUse
from webhooks.receive import noticed

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY = timedelta(hours=24)
OLD, NEW = "whsec_old", "whsec_new"
# Before Django 6 each was a pair.
ADMINS: list[Any] = ["admin@shop.example"] if django.VERSION >= (6, 0) else [("", "admin@shop.example")]


@pytest.fixture(autouse=True)
def _fresh(webhooks_settings: Change) -> Iterator[None]:
    webhooks_settings(ENDPOINTS={"default": {"SECRETS": [NEW, OLD]}, "one": {"SECRETS": [NEW]}})
    with override_settings(ADMINS=ADMINS):
        yield
    noticed._uses.clear()
    noticed._new_versions.clear()
    noticed._known_versions.clear()


def post(secret: str = NEW, endpoint: str = "default", **changes: Any) -> None:
    assert deliver(samples.snapshot("invoice.paid") | changes, secret=secret, endpoint=endpoint).status_code == 200


@pytest.mark.django_db
def test_the_secret_that_signed_is_counted_and_never_stored() -> None:
    post(OLD)
    post(NEW)
    post(NEW)
    noticed.write(NOW)
    counts = {row.secret: (row.count, row.last_at) for row in SecretUse.objects.all()}
    assert counts == {noticed.mark(NEW): (2, NOW), noticed.mark(OLD): (1, NOW)}
    assert not any("whsec" in str(row) for row in SecretUse.objects.values())


@pytest.mark.django_db
def test_with_one_secret_nothing_is_counted() -> None:
    post(NEW, "one")
    noticed.write(NOW)
    assert not SecretUse.objects.exists()


@pytest.mark.django_db
def test_after_a_day_without_use_the_old_secret_may_go_which_is_said_once_a_day(
    caplog: pytest.LogCaptureFixture,
) -> None:
    post(OLD)
    noticed.write(NOW)
    post(NEW)
    noticed.write(NOW + DAY - timedelta(seconds=1))
    assert "secret.not_used" not in caplog.text
    for minutes in (1, 2):
        post(NEW)
        noticed.write(NOW + DAY + timedelta(minutes=minutes))
    assert sum("secret.not_used" in record.getMessage() for record in caplog.records) == 1
    assert "position" in caplog.text
    assert OLD not in caplog.text


@pytest.mark.parametrize(
    ("old_used", "new_used", "found"),
    [
        (timedelta(0), timedelta(0), []),
        (DAY, timedelta(0), [("default", 2)]),
        (DAY - timedelta(seconds=1), timedelta(0), []),
        (None, timedelta(0), [("default", 2)]),  # known for two days and never used
        (timedelta(0), DAY, [("default", 1)]),
        (DAY, DAY, []),  # nothing comes in at all: that says nothing of a secret
    ],
)
def test_which_secret_is_idle(old_used: timedelta | None, new_used: timedelta, found: list[tuple[str, int]]) -> None:
    endpoint = Endpoint("default", (NEW, OLD), 300, inline=False)
    since = NOW - 2 * DAY
    uses = {
        ("default", noticed.mark(NEW)): (since, NOW - new_used),
        ("default", noticed.mark(OLD)): (since, None if old_used is None else NOW - old_used),
    }
    assert list(noticed.idle(uses, [endpoint], NOW)) == found


@pytest.mark.django_db
def test_a_new_api_version_is_told_once_with_its_handlers() -> None:
    @on("invoice.*")
    def book(event: Any) -> None: ...

    post()
    noticed.write(NOW)
    assert mail.outbox == []  # the first that the site ever sees
    for _ in range(2):  # as two processes would notice it
        post(api_version="2027-01-01.fern")
        noticed.write(NOW)
        noticed._known_versions.clear()
    assert [
        message.subject.endswith("Stripe sends events in API version 2027-01-01.fern now") for message in mail.outbox
    ] == [True]
    assert "book" in str(mail.outbox[0].body)


@pytest.mark.django_db
def test_what_was_noted_of_an_endpoint_that_was_removed_keeps_no_other_from_being_counted(
    webhooks_settings: Change,
) -> None:
    webhooks_settings(ENDPOINTS={"gone": {"SECRETS": [NEW, OLD]}, "default": {"SECRETS": [NEW, OLD]}})
    post(endpoint="gone")
    post()
    webhooks_settings(ENDPOINTS={"default": {"SECRETS": [NEW, OLD]}})
    noticed.write(NOW)

    assert list(SecretUse.objects.filter(count__gt=0).values_list("endpoint", "count")) == [("default", 1)]
