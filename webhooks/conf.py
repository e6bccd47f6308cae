"""settings.WEBHOOKS as frozen values. A value that cannot be used counts as left out; `manage.py check` reports it.

    WEBHOOKS = {
        "ENDPOINTS": {"default": {"SECRETS": ["whsec_..."]}},  # events are posted to /stripe/default/
        "MODE": "worker",           # "inline": handlers run in the request, as dj-stripe runs them
        "MESSAGES": "full",         # "class-only": of an exception no text is kept
        "TOLERANCE": 300,           # seconds between the signature's time and ours, either way
        "MAX_BODY": 1_048_576,      # bytes
        "HANDLER_TIMEOUT": 900,     # seconds after which a handler counts as hung
        "RETENTION_DAYS": 90,       # days that processed events are kept
        "RETRY": {
            "ATTEMPTS": 4,          # of an event whose handler has a bug
            "TRANSIENT_DAYS": 3,    # days that an outage is waited out
            "FIRST_DELAY": 10,      # seconds after the first failure; later pauses grow from it
            "TRANSIENT": [],        # dotted paths of further exceptions that go away by themselves
        },
    }

These are the defaults but for ENDPOINTS. An endpoint may have TOLERANCE and MODE of its own, LIVEMODE (True or False:
the mode whose events it handles) and API_VERSION (the one whose events it stores).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any, TypeGuard

from django.conf import settings
from django.core.signals import setting_changed

WORKER, INLINE = "worker", "inline"
MODES = (WORKER, INLINE)
FULL, CLASS_ONLY = "full", "class-only"
MESSAGES = (FULL, CLASS_ONLY)
NUMBERS: Mapping[str, int] = {
    "TOLERANCE": 300,  # seconds between the signature's time and ours, either way
    "MAX_BODY": 1_048_576,  # bytes
    "HANDLER_TIMEOUT": 900,  # seconds after which a handler counts as hung
    "RETENTION_DAYS": 90,
}
RETRY_NUMBERS: Mapping[str, int] = {
    "ATTEMPTS": 4,  # of an event whose handler has a bug
    "TRANSIENT_DAYS": 3,  # how long an outage is waited out
    "FIRST_DELAY": 10,  # seconds
}
MOST: Mapping[str, int] = {
    "TOLERANCE": 10**9,
    "MAX_BODY": 10**9,
    "HANDLER_TIMEOUT": 7 * 86_400,
    "RETENTION_DAYS": 36_500,
    "ATTEMPTS": 1000,
    "TRANSIENT_DAYS": 365,
    "FIRST_DELAY": 86_400,
}
KEYS = ("ENDPOINTS", "MODE", "MESSAGES", "RETRY", *NUMBERS)
RETRY_KEYS = ("TRANSIENT", *RETRY_NUMBERS)
ENDPOINT_KEYS = ("SECRETS", "TOLERANCE", "MODE", "LIVEMODE", "API_VERSION")


@dataclass(frozen=True, slots=True)
class Endpoint:
    name: str
    secrets: tuple[str, ...] = field(repr=False)
    tolerance: int
    inline: bool
    livemode: bool | None = None  # True: it handles live events only; False: test events only; None: both
    api_version: str = ""  # it stores events of this version only; empty: of any

    def takes_mode(self, livemode: bool) -> bool:
        return self.livemode is None or self.livemode == livemode

    def takes_version(self, api_version: str) -> bool:
        """Whether events of this version are stored here. Thin events have no version, and always are."""
        return not self.api_version or not api_version or api_version == self.api_version


@dataclass(frozen=True, slots=True)
class Retry:
    attempts: int
    transient_days: int
    first_delay: int
    transient: frozenset[str]  # dotted paths of further exceptions that go away by themselves


@dataclass(frozen=True, slots=True)
class Config:
    endpoints: Mapping[str, Endpoint]
    max_body: int
    handler_timeout: timedelta
    retention_days: int
    retry: Retry
    class_only: bool = False  # no text of an exception is kept, since it may quote personal data

    def is_inline(self, endpoint: str) -> bool:
        return endpoint in self.endpoints and self.endpoints[endpoint].inline


@cache
def config() -> Config:
    """The settings as they are now: read once, and again when a test changes them."""
    raw = _mapping(getattr(settings, "WEBHOOKS", {}))
    retry = _mapping(raw.get("RETRY"))
    return Config(
        endpoints={
            str(name): _endpoint(str(name), _mapping(options), raw)
            for name, options in _mapping(raw.get("ENDPOINTS")).items()
        },
        max_body=_number(raw, "MAX_BODY", NUMBERS),
        handler_timeout=timedelta(seconds=_number(raw, "HANDLER_TIMEOUT", NUMBERS)),
        retention_days=_number(raw, "RETENTION_DAYS", NUMBERS),
        retry=Retry(
            attempts=_number(retry, "ATTEMPTS", RETRY_NUMBERS),
            transient_days=_number(retry, "TRANSIENT_DAYS", RETRY_NUMBERS),
            first_delay=_number(retry, "FIRST_DELAY", RETRY_NUMBERS),
            transient=frozenset(strings(retry.get("TRANSIENT"))),
        ),
        class_only=raw.get("MESSAGES") == CLASS_ONLY,
    )


def strings(value: Any) -> tuple[str, ...]:
    """One string or a list of them, without the empty ones and the blanks around them."""
    values = (value,) if isinstance(value, str) else value if isinstance(value, list | tuple | set) else ()
    return tuple(item.strip() for item in values if isinstance(item, str) and item.strip())


def fits(key: str, value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST[key]


def _endpoint(name: str, options: Mapping[str, Any], defaults: Mapping[str, Any]) -> Endpoint:
    default_tolerance = _number(defaults, "TOLERANCE", NUMBERS)
    return Endpoint(
        name=name,
        secrets=strings(options.get("SECRETS")),
        tolerance=_number(options, "TOLERANCE", {"TOLERANCE": default_tolerance}),
        inline=options.get("MODE", defaults.get("MODE")) == INLINE,
        livemode=livemode if isinstance(livemode := options.get("LIVEMODE"), bool) else None,
        api_version=version.strip() if isinstance(version := options.get("API_VERSION"), str) else "",
    )


def _number(raw: Mapping[str, Any], key: str, defaults: Mapping[str, int]) -> int:
    value: Any = raw.get(key)
    return value if fits(key, value) else defaults[key]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _reset(*, setting: str, **_: Any) -> None:
    if setting == "WEBHOOKS":
        config.cache_clear()


setting_changed.connect(_reset, dispatch_uid="webhooks.conf")
