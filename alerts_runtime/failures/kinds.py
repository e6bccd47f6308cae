"""The kinds of failure: what broke, and whether waiting helps. What matches them is in `classes` and `codes`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """What kind of thing broke."""

    SIGNATURE = "signature"
    CONFIGURATION = "configuration"
    STRIPE_API = "stripe-api"
    RATE_LIMIT = "rate-limit"
    DATABASE = "database"
    NETWORK = "network"
    DATA = "data"
    CODE = "code"
    PERMISSION = "permission"
    WORKER = "worker"  # an event killed its worker, or no worker runs
    DELIVERY = "delivery"  # an alert could not be delivered
    UNKNOWN = "unknown"


class Retry(StrEnum):
    """How a failed event is tried again."""

    PATIENT = "patient"  # the cause is expected to end by itself: attempts go on for days
    FEW = "few"  # the cause stays, like a bug: a few attempts, in case it was a race or a deploy
    LOST = "lost"  # a worker died: three attempts, as this event may kill workers


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    category: Category
    retry: Retry

    @property
    def transient(self) -> bool:
        return self.retry is Retry.PATIENT


_STAYS: Mapping[Category, str] = {
    Category.SIGNATURE: "stripe-signature",
    Category.CONFIGURATION: (
        "stripe-credentials database-credentials database-schema redis-credentials broker-credentials "
        "service-credentials mail-credentials misconfigured file"
    ),
    Category.PERMISSION: "stripe-permission database-permission service-permission not-allowed",
    Category.DATA: (
        "stripe-request stripe-other database-data database-no-row redis-request http-request mail-refused "
        "missing-object invalid-data"
    ),
    Category.CODE: "database-transaction database-own-lock database-unsupported resources os-error code",
    Category.UNKNOWN: "unknown",
}
_PASSES: Mapping[Category, str] = {
    Category.STRIPE_API: "stripe-connection stripe-api",
    Category.RATE_LIMIT: "stripe-rate-limit service-rate-limit",
    Category.DATABASE: (
        "database-unavailable database-full database-read-only database-damaged database-other redis-unavailable"
    ),
    # The database works, and the site's transactions are in each other's way: no outage, and each handler's own.
    Category.CODE: "database-contention database-timeout redis-contention",
    Category.NETWORK: "network-timeout network service-error broker-unavailable mail-deferred",
    Category.CONFIGURATION: "disk-full resources-exhausted",  # of one machine, on which somebody can free some
}
KINDS: Mapping[str, Kind] = {
    "worker-lost": Kind("worker-lost", Category.WORKER, Retry.LOST),
    "handler-timeout": Kind("handler-timeout", Category.CODE, Retry.FEW),
    **{name: Kind(name, category, Retry.FEW) for category, names in _STAYS.items() for name in names.split()},
    **{name: Kind(name, category, Retry.PATIENT) for category, names in _PASSES.items() for name in names.split()},
}
UNKNOWN = KINDS["unknown"]
