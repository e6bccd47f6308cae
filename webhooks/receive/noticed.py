"""Notes which secret signed each delivery, and its API version: to say which secret can go, and when a version is new.

Kept in memory, and written at most once a minute in each process, by a thread of its own.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from django.core.mail import mail_admins
from django.db import connection
from django.db.models import F

from alerts_runtime.leasing import clock
from alerts_runtime.monitoring import watchdog
from alerts_runtime.redaction.loggers import get_logger
from webhooks.conf import Endpoint, config
from webhooks.events import StripeEvent
from webhooks.handlers import matching
from webhooks.models import SecretUse

logger = get_logger(__name__)
WRITE_AFTER = 60.0  # seconds
IDLE_FOR = timedelta(hours=24)
_VERSION = "api version "

_lock = threading.Lock()
_uses: Counter[tuple[str, str]] = Counter()  # (endpoint, mark of its secret)
_known_versions: set[str] = set()
_new_versions: dict[str, str] = {}  # version -> the type of the first event in it
_timer: threading.Timer | None = None


def mark(secret: str) -> str:
    """A short hash by which secrets can be told apart and not be known."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


def note(endpoint: Endpoint, secret: str, event: StripeEvent) -> None:
    """Note one delivery, in memory. The secret is noted only where an endpoint has several."""
    with _lock:
        if len(endpoint.secrets) > 1:
            _uses[endpoint.name, mark(secret)] += 1
        if event.api_version and event.api_version not in _known_versions:
            _known_versions.add(event.api_version)
            _new_versions[event.api_version] = event.type
        if _uses or _new_versions:
            _start_timer()


def write(now: datetime) -> None:
    """Write what was noted, and log what is new. What cannot be written is kept for the next time."""
    with _lock:
        uses, versions = dict(_uses), dict(_new_versions)
        _uses.clear()
        _new_versions.clear()
    try:
        for (endpoint, secret), number in list(uses.items()):
            _add(endpoint, secret, number, now)
            del uses[endpoint, secret]
        for version, event_type in list(versions.items()):
            _tell_of_version(version, event_type, now)
            del versions[version]
        for endpoint, position in idle(_last_uses(), config().endpoints.values(), now):
            _tell_of_idle_secret(endpoint, position, now)
    except Exception as error:  # noqa: BLE001 - a note that cannot be written must break nothing
        logger.warning("noticed.not_written", error=type(error).__name__)
        with _lock:
            _uses.update(uses)
            _new_versions.update(versions)


def idle(
    uses: Mapping[tuple[str, str], tuple[datetime, datetime | None]], endpoints: Iterable[Endpoint], now: datetime
) -> Iterator[tuple[str, int]]:
    """Each secret that was not used for a day, while another of its endpoint was: (endpoint, position from 1). Pure.

    `uses`: by endpoint and `mark`, since when a secret is known, and when it was last used.
    """
    for endpoint in endpoints:
        known = [uses.get((endpoint.name, mark(secret))) for secret in endpoint.secrets]
        if not any(use and use[1] and now - use[1] < IDLE_FOR for use in known):
            continue
        for position, use in enumerate(known, start=1):
            if use and now - (use[1] or use[0]) >= IDLE_FOR:
                yield endpoint.name, position


def _last_uses() -> dict[tuple[str, str], tuple[datetime, datetime | None]]:
    rows = SecretUse.objects.values_list("endpoint", "secret", "since", "last_at")
    return {(endpoint, secret): (since, last_at) for endpoint, secret, since, last_at in rows}


def _add(endpoint: str, secret: str, number: int, now: datetime) -> None:
    """Count the uses of one secret; the endpoint's others get a row too, from which their day without use counts."""
    if endpoint not in config().endpoints:
        return  # it was removed from the settings meanwhile, and its secrets with it
    for other in map(mark, config().endpoints[endpoint].secrets):
        SecretUse.objects.get_or_create(endpoint=endpoint, secret=other, defaults={"since": now})
    SecretUse.objects.filter(endpoint=endpoint, secret=secret).update(count=F("count") + number, last_at=now)


def _tell_of_idle_secret(endpoint: str, position: int, now: datetime) -> None:
    if watchdog.may_say(now, f"secret {mark(endpoint)} {position}", timedelta(days=1)):
        logger.warning(
            "secret.not_used",
            endpoint=endpoint,
            position=position,
            hint="Stripe has signed nothing with it for 24 h: it can go from STRIPE_WEBHOOK_SECRET.",
        )


def _tell_of_version(version: str, event_type: str, now: datetime) -> None:
    """Tell of a version that is seen for the first time, but for the first version of all."""
    is_first = not watchdog.has_said(_VERSION)
    if not watchdog.may_say(now, f"{_VERSION}{version}"[:50], None) or is_first:
        return
    names = [handler.name for handler in matching(event_type)]
    logger.warning("event.new_api_version", api_version=version, event_type=event_type, handlers=names)
    text = (
        f"The first is of type {event_type}. Its handlers: {', '.join(names) or 'none'}. Objects may have other fields "
        "in this version: see https://docs.stripe.com/changelog. To store only one: STRIPE_WEBHOOK_API_VERSION."
    )
    try:
        mail_admins(f"Stripe sends events in API version {version} now", text)
    except Exception:  # the log has it
        logger.exception("admins.not_mailed")


def _start_timer() -> None:
    global _timer
    if _timer is None:
        _timer = threading.Timer(WRITE_AFTER, _write_and_close)
        _timer.name, _timer.daemon = "noticed", True
        _timer.start()


def _write_and_close() -> None:
    global _timer
    with _lock:
        _timer = None
    try:
        write(clock.now())
    finally:
        connection.close()  # this thread's own
