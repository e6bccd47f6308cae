"""dj-stripe and the project's own receiver in one site: an event may come to both, and each tells of its own."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.utils import timezone

from notifier.flow import replays
from notifier.flow.replays import Replayed
from notifier.intake import source
from notifier.models import Alert, Occurrence
from tests.djstripe.inside.conftest import Raise, Stripe
from tests.djstripe.site import models as site

OURS = "/ours/stripe/default/"
pytestmark = pytest.mark.skipif(not apps.is_installed("webhooks"), reason="WITH_WEBHOOKS is not set")


def fail(event: Any) -> None:
    raise LookupError("of our own")


def waiting() -> list[str]:
    keys = Occurrence.objects.filter(recovered_at=None).order_by("pk").values_list("key", flat=True)
    return [key.partition(".")[0] for key in keys]


def test_each_tells_of_its_failures_and_ends_only_its_own(stripe: Stripe, handlers_raise: Raise) -> None:
    event = stripe.event()
    handlers_raise(KeyError("plan"))
    site.handle_ours.append(fail)
    assert stripe.post(event) == 500
    assert stripe.post(event, path=OURS) == 500
    assert waiting() == ["djstripe", "webhooks"]

    site.handle_ours.clear()
    assert stripe.post(event, path=OURS) == 200
    reconcile = source.Reconciler()
    reconcile(timezone.now())
    assert waiting() == ["djstripe"]

    site.handle.clear()
    assert stripe.post(event) == 200
    assert waiting() == []
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_what_both_took_is_counted_for_both(stripe: Stripe) -> None:
    stripe.post(stripe.event())
    stripe.post(stripe.event(), path=OURS)
    now = timezone.now()
    counts = source.event_counts(now.replace(hour=0, minute=0), now)
    assert counts is not None
    assert (counts.received, counts.first_time) == (2, 2)
    seen = source.seen(now - now.replace(hour=0, minute=0), ["invoice.will_be_due"], now)
    assert seen.stored == {"we_bridge": 1, "default": 1}
    assert seen.last_of_type["invoice.will_be_due"]


def test_a_replay_goes_to_whoever_has_the_event(stripe: Stripe, handlers_raise: Raise) -> None:
    handlers_raise(KeyError("plan"))
    site.handle_ours.append(fail)
    theirs, ours = stripe.event(), stripe.event()
    stripe.post(theirs)
    stripe.post(ours, path=OURS)
    assert replays.replay([theirs["id"], ours["id"]], timezone.now()) == Replayed(again=1, hurried=1)
