"""Finds what is wrong although nothing raises: refused requests, a wrong clock, missing events, a backlog. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from notifier.facts import Category, Severity
from notifier.judge.durations import human
from notifier.judge.policy import Watch


@dataclass(frozen=True, slots=True)
class Missing:
    """How many events an endpoint should have had since its last one, by the same hours of the days before."""

    since: datetime
    expected: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What came in within the watch's window."""

    refused: Mapping[tuple[str, str], int]  # (endpoint, reason) -> requests
    stored: Mapping[str, int]  # endpoint -> events
    missing: Mapping[str, Missing]  # endpoints whose traffic has stopped
    last_of_type: Mapping[str, datetime | None]
    first_ever: datetime | None
    oldest_waiting: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong now. `key` makes findings of one kind one alert."""

    key: str
    severity: Severity
    category: Category
    title: str
    hint: str


# What each reason of a refusal means, by the names of alerts_runtime.stripe_data.
_REFUSALS = {
    "no_secret": (
        "there is no signing secret, so nothing can be accepted",
        "Copy the endpoint's signing secret from the Stripe dashboard into STRIPE_WEBHOOK_SECRET.",
    ),
    "no_match": (
        "signatures do not match",
        "Compare the signing secret in the Stripe dashboard with the endpoint's; it may have been rolled.",
    ),
    "missing": (
        "requests come without a signature",
        "Something other than Stripe posts to this URL, or a proxy drops the Stripe-Signature header.",
    ),
    "too_old": (
        "timestamps are too old",
        "Check this machine's clock (NTP), and whether a proxy holds requests back.",
    ),
    "in_future": ("timestamps lie in the future", "Check this machine's clock (NTP)."),
    "malformed": (
        "signatures are not of Stripe's form",
        "Something other than Stripe posts to this URL, or a proxy rewrites the Stripe-Signature header.",
    ),
    "bad_encoding": (
        "bodies are not UTF-8",
        "Something other than Stripe posts to this URL, or a proxy changes the body.",
    ),
    "empty_body": (
        "bodies are empty",
        "Something other than Stripe posts to this URL, or a proxy drops bodies that come in chunks.",
    ),
    "too_large": (
        "bodies are too large",
        "Raise WEBHOOK_MAX_BODY if these are Stripe's; else something other than Stripe posts to this URL.",
    ),
    "unreadable": (
        "connections break before the whole body has arrived",
        "Look in the log of the proxy in front of this site: its limits on time and size, and its connections.",
    ),
    "unknown_endpoint": (
        "requests come for endpoints that this site does not have",
        "Compare the URLs of the endpoints in the Stripe dashboard with STRIPE_WEBHOOK_ENDPOINTS.",
    ),
    "disallowed_host": (
        "requests name a host that is not allowed, and are refused before they are read",
        "Add the host of the URL in the Stripe dashboard to ALLOWED_HOSTS.",
    ),
    "redirected": (
        "requests are redirected, which Stripe does not follow",
        "Set BEHIND_PROXY=true behind a proxy that speaks HTTPS, and give Stripe the https:// address.",
    ),
    "wrong_path": (
        "requests of Stripe's form come to a path where there is nothing",
        "Compare the URL in the Stripe dashboard with /stripe/<endpoint>/.",
    ),
    "answered_before": (
        "something answers requests before the receiver sees them",
        "Look for a middleware that does (a maintenance page, a login, a limit of rates).",
    ),
    "not_validated": (
        "dj-stripe cannot validate them",
        "See in the admin, under webhook event triggers, what its validation raised.",
    ),
    "unrecorded": (
        "signed requests leave no trace of what became of them",
        "A receiver of dj-stripe's signals raises, or requests are killed: look in the web server's log. A receiver "
        "must catch what it raises; @with_event does.",
    ),
    "malformed_event": (
        "signed bodies are not events that can be read",
        "Compare a delivery in the Stripe dashboard with what arrives here; the format may be one not known yet.",
    ),
}
# Refused although the signature was right, so only Stripe can cause them; the others anybody who knows the URL.
_STRIPES_OWN = frozenset({"too_old", "in_future", "malformed_event", "unrecorded"})
_CONFIGURATION = frozenset(
    {"no_secret", "unknown_endpoint", "disallowed_host", "redirected", "wrong_path", "answered_before"}
)
# So many events missing happens by chance to at most one endpoint in 150, if events come independently.
STOPPED = 5


def findings(seen: Seen, watch: Watch, now: datetime) -> tuple[Finding, ...]:
    """Everything that is wrong at `now`."""
    return (*_refused(seen, watch, now), *_absent(seen, watch, now), *_backlog(seen, watch, now))


def _refused(seen: Seen, watch: Watch, now: datetime) -> Iterator[Finding]:
    for (endpoint, reason), count in sorted(seen.refused.items()):
        if reason not in _REFUSALS or count < watch.refused_least:
            continue
        total = seen.stored.get(endpoint, 0) + sum(n for (name, _), n in seen.refused.items() if name == endpoint)
        share = count / total
        if share < watch.refused_share:
            continue
        what, hint = _REFUSALS[reason]
        missing = _missing(seen, endpoint)
        silence = f"; nothing valid for {human(now - missing.since)}" if missing else ""
        yield Finding(
            f"watch.refused.{endpoint}.{reason}",
            _severity(reason, lost=bool(missing), any_valid=bool(seen.stored.get(endpoint))),
            Category.CONFIGURATION if reason in _CONFIGURATION else Category.SIGNATURE,
            f"Endpoint {endpoint}: {what} ({count} of {total} requests in {human(watch.window)}{silence})",
            hint,
        )


def _missing(seen: Seen, endpoint: str) -> Missing | None:
    missing = seen.missing.get(endpoint)
    return missing if missing and missing.expected >= STOPPED and not seen.stored.get(endpoint) else None


def _severity(reason: str, *, lost: bool, any_valid: bool) -> Severity:
    """What a stranger can cause is critical only if the endpoint's valid events have stopped too."""
    if lost or (reason in _STRIPES_OWN and not any_valid):
        return Severity.CRITICAL
    # Without a secret everything is refused, which is a mistake of the site.
    return Severity.ERROR if reason in _STRIPES_OWN or reason == "no_secret" else Severity.WARNING


def _absent(seen: Seen, watch: Watch, now: datetime) -> Iterator[Finding]:
    for name, longest in sorted(watch.expect.items()):
        last = seen.last_of_type.get(name) or seen.first_ever
        if last is None or now - last <= longest:
            continue
        yield Finding(
            f"watch.absent.{name}",
            Severity.ERROR,
            Category.CONFIGURATION,
            f"No {name} for {human(now - last)} (at least one every {human(longest)} is expected)",
            "See in the Stripe dashboard whether the endpoint is enabled and subscribed to this type.",
        )


def _backlog(seen: Seen, watch: Watch, now: datetime) -> Iterator[Finding]:
    if seen.oldest_waiting is None or now - seen.oldest_waiting <= watch.backlog:
        return
    events = "1 event waits" if seen.waiting == 1 else f"{seen.waiting:,} events wait"
    yield Finding(
        "watch.backlog",
        Severity.CRITICAL,
        Category.WORKER,
        f"{events} for a worker, the oldest for {human(now - seen.oldest_waiting)}",
        "Start more workers (`manage.py worker`), or look in their log for a handler that hangs.",
    )
