"""The routing table as what it is, a dry run in the browser, and a test message to each recipient."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Thread
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from alerts_runtime.isolation.threads import close_connections, daemon
from notifier.delivery import probe
from notifier.facts import Recipient
from notifier.judge.policy import ChannelConfig, Policy, Route
from notifier.models import Alert
from notifier.oncall.present import policy_now
from notifier.pages import happened, typed, words
from notifier.pages.access import Viewer, page, show
from notifier.pages.groups import CONFIGURE

TEST_WITHIN = 15.0  # seconds; each channel gives up before that
ASKED = ("event", "exception", "message", "attempt", "last", "mode", "at", "failure")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A route in words."""

    route: Route
    conditions: list[tuple[str, str]]
    cadence: str
    steps: list[str]


@dataclass
class Tested:
    """What became of a test message to one recipient."""

    channel: ChannelConfig
    target: Recipient
    outcome: probe.Outcome | None = None  # None: no answer yet


@require_safe
@page()
def routing(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    known = typed.of(request) or request.GET.dict()
    asked = {name: known.get(name, "") for name in ASKED}
    if asked["failure"] and "exception" not in known:
        asked |= happened.asked_of(asked["failure"])
    number = request.GET.get("alert", "")
    if number.isdecimal() and len(number) < 18 and (row := Alert.objects.filter(pk=int(number)).first()):
        asked |= {
            "event": row.event_type,
            "exception": row.exceptions[0] if row.exceptions else "",
            "message": row.message,
            "mode": "live" if row.livemode else "test",
        }
    return show(request, viewer, "routing", drawn(viewer) | {"asked": asked})


@sensitive_post_parameters()
@require_POST
@page(CONFIGURE, back="routing")
def test(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """One message to each recipient of a channel, or of all, with what its provider answers.

    The one request of the pages that waits for the network: a person has asked for it, and waits for the answer.
    """
    policy = policy_now(viewer.now)
    wanted = request.POST.get("channel", "")
    if wanted and wanted not in policy.channels:
        raise Http404(_("There is no channel %(name)s.") % {"name": wanted[:60]})
    channels = [policy.channels[wanted]] if wanted else list(policy.channels.values())
    tested = [Tested(channel, target) for channel in channels for target in channel.targets]
    threads = [_start(one, policy.tz) for one in tested]
    for thread in threads:
        thread.join(TEST_WITHIN / max(len(threads), 1) + 1)
    return show(request, viewer, "routing", drawn(viewer) | {"asked": {}, "tested": tested})


def _start(one: Tested, tz: str) -> Thread:
    def send() -> None:
        try:
            one.outcome = probe.send_test(one.channel, one.target, tz, site=str(getattr(settings, "SITE_URL", "")))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this recipient's outcome
            one.outcome = probe.Outcome(False, type(error).__name__)
        finally:
            close_connections()

    thread = daemon("test message", send)
    thread.start()
    return thread


def drawn(viewer: Viewer) -> dict[str, Any]:
    policy = policy_now(viewer.now)
    return {
        "routes": [_route(route) for route in policy.routes],
        "channels": [(channel, words.limits(channel), _quiet(channel)) for channel in policy.channels.values()],
        "inhibitions": [
            (one.name, words.conditions(one.parent), words.conditions(one.child)) for one in policy.inhibitions
        ],
        "unheard": _unheard(policy),
        "happened": happened.newest(),
    }


def _route(route: Route) -> Drawn:
    steps = [words.level(one) for one in route.levels[1:]] if route.escalate else []
    return Drawn(route, words.conditions(route.matcher), words.cadence(route.timing), steps)


def _quiet(channel: ChannelConfig) -> list[str]:
    return [words.quiet(one) for one in channel.quiet]


def _unheard(policy: Policy) -> bool:
    """Whether what no route takes is told to nobody."""
    return not policy.routes or bool(words.conditions(policy.routes[-1].matcher))
