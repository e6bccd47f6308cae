"""The story, from top to bottom. Raises BrokenPromiseError as soon as something does not happen that it promises."""

from __future__ import annotations

import io
import json
from textwrap import shorten

import requests
import stripe
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.utils import timezone

from demo import promises
from demo.messages import Messages, twins
from demo.scenes import Scene, scenes
from demo.screen import Screen
from demo.settings import FIRST_DELAY
from demo.shop import premises
from demo.site import SECRET, BrokenPromiseError, Site
from demo.stripe_api import StripeApi
from notifier.facts import Money, Severity
from notifier.judge.money import format_money
from notifier.models import Alert
from webhooks.events import parse
from webhooks.models import WebhookEvent

STYLES = {Severity.CRITICAL: "red", Severity.ERROR: "dark_orange", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def tell(site: Site, stripe_api: StripeApi, screen: Screen) -> None:
    cast = scenes()
    failing = [scene for scene in cast if scene.severity]
    messages = Messages(site, screen)

    screen.chapter("A shop, its web process and its worker")
    _set_up(site, screen)

    screen.chapter("Stripe posts six events")
    alerts = [_post(site, scene, screen) for scene in cast]

    screen.chapter("What arrives")
    for alert in filter(None, alerts):
        promises.were_told(site, alert)
    messages.show_new()

    screen.chapter("The shop is mended")
    premises.mend()
    stripe_api.come_back()
    screen.say("The plan is known, the ledger is there, and the Stripe API answers again.")
    screen.say("What was given up is replayed; the others wait for their next attempt, which comes by itself.")
    screen.command("manage.py replay", _manage("replay"))
    over = [promises.was_over(site, scene) for scene in failing]
    held = [row for alert in over for row in promises.were_told_the_end(site, alert)]
    messages.show_new()
    for row in held:
        screen.say(
            f"The SMS that alert {row.alert_id} is over is held by the throttle (one a minute to a number) until "
            f"{timezone.localtime(row.target.next_at):%H:%M:%S %Z}. The demo does not wait for it."
        )

    screen.chapter("The daily digest")
    screen.command("manage.py digest daily", _manage("digest", "daily"))
    promises.was_sent(site, "daily")
    messages.show_new()

    screen.chapter("Everything happened as promised")
    screen.say("`make run LOOK=1` serves the operator's pages with a made-up day: http://127.0.0.1:8000/alerts/")
    screen.say("`make run` serves for real; README.md says how to wire it into a project of yours.")


def _set_up(site: Site, screen: Screen) -> None:
    try:
        _manage("check")
    except SystemCheckError as error:
        raise BrokenPromiseError(f"`manage.py check` finds\n{error}") from None
    premises.open_shop()
    _manage("migrate", "--verbosity", "0")
    site.start(screen.width, colours=screen.colours)
    screen.say(f"Events are taken at {site.url}, with a database of its own.")
    screen.say(f"A failed event is tried again after {FIRST_DELAY} second, not 10, so that you need not wait.")
    printing = twins()
    if printing:
        screen.say(f"Printed here instead of being sent: {', '.join(printing)}.")
        screen.say("With these in .env the same command sends them.")


def _post(site: Site, scene: Scene, screen: Screen) -> Alert | None:
    """Deliver one event as Stripe does, and show what it became."""
    body = json.dumps(scene.event)
    signature = stripe.WebhookSignature.generate_signature_header(body, SECRET if scene.signed else "whsec_other")
    headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
    with requests.Session() as session:
        session.trust_env = False  # no proxy lies between here and here
        answer = session.post(site.url, data=body.encode(), headers=headers, timeout=30)
    if answer.status_code != scene.status:
        raise BrokenPromiseError(
            f"{scene.event_id} was answered with {answer.status_code}, and not with {scene.status}"
        )
    http = ("answer", f"HTTP {answer.status_code}: {answer.text.strip()}", "")
    alert = None
    if not scene.signed:
        promises.was_refused(site, scene)
        facts = [http, ("refused", "Counted; nothing of it is kept.", "")]
    elif not scene.severity:
        promises.was_handled(site, scene)
        facts = [http, ("handled", "at the first attempt", "green")]
    else:
        alert = promises.became_alert(site, scene)
        facts = [http, *_verdict(alert, scene)]
    screen.event(_title(scene), scene.about, facts)
    return alert


def _title(scene: Scene) -> str:
    event = parse(json.dumps(scene.event), "default")
    money = format_money(Money(event.amount, event.currency)) if event.amount else ""
    return " · ".join(filter(None, [event.type, "live" if event.livemode else "test", money]))


def _verdict(alert: Alert, scene: Scene) -> list[tuple[str, str, str]]:
    severity = Severity(alert.severity)
    event = WebhookEvent.objects.get(event_id=scene.event_id)
    failed = shorten(f"attempt {event.attempt}: {event.last_error}", 160, placeholder=" …")
    verdict = f"{severity.label}, {alert.category}: {alert.title}, by rule {alert.rule!r}"
    rows = alert.notifications.select_related("target").order_by("pk")
    routes = ", ".join(f"{row.target.channel} by route {row.route!r}" for row in rows)
    return [
        ("failed", failed, ""),
        ("verdict", verdict, STYLES[severity]),
        ("told", routes, ""),
    ]


def _manage(*command: str) -> str:
    """What a command of manage.py prints. Its warnings are shown where they belong to the story."""
    output = io.StringIO()
    call_command(*command, stdout=output, stderr=io.StringIO())
    return output.getvalue()
