"""`manage.py check --deploy`: settings under which Stripe's deliveries would not reach the receiver."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.core.checks import Warning as CheckWarning
from django.http.request import validate_host

from webhooks.conf import config

MIDDLEWARE = "webhooks.middleware.CountRefusedBefore"


@register(Tags.security, deploy=True)
def check_the_way_in(**_: Any) -> list[CheckMessage]:
    return [*_middleware(), *_host(), *_https(), *_slow_senders(), *_modes()]


def _middleware() -> Iterator[CheckMessage]:
    if list(settings.MIDDLEWARE)[:1] != [MIDDLEWARE]:
        yield CheckWarning(
            f"{MIDDLEWARE} is not the first of MIDDLEWARE, so requests that others refuse are not counted.",
            hint=f'Write MIDDLEWARE = ["{MIDDLEWARE}", ...].',
            id="webhooks.W005",
        )


def _host() -> Iterator[CheckMessage]:
    host = urlsplit(_site_url()).hostname
    if wrong := [number for number, name in enumerate(settings.ALLOWED_HOSTS) if not _can_be_a_host(name)]:
        yield CheckWarning(
            f"ALLOWED_HOSTS[{wrong[0]}] is not the name of a host, so no request is let in by it.",
            hint='Write the name alone, without https:// and a port: "shop.example".',
            id="webhooks.W015",
        )
    if host and not validate_host(host, settings.ALLOWED_HOSTS):
        yield CheckWarning(
            f"SITE_URL's host {host!r} is not in ALLOWED_HOSTS: what Stripe posts there is refused with 400.",
            hint=f"Add {host!r} to ALLOWED_HOSTS, or correct SITE_URL.",
            id="webhooks.W006",
        )
    elif not host and not [name for name in settings.ALLOWED_HOSTS if not _is_this_machine(name)]:
        yield CheckWarning(
            "ALLOWED_HOSTS names only this machine: what Stripe posts is refused with 400.",
            hint="Add the host name of the URL that Stripe posts to.",
            id="webhooks.W006",
        )


def _https() -> Iterator[CheckMessage]:
    scheme = urlsplit(_site_url()).scheme
    if scheme == "http" and settings.SECURE_SSL_REDIRECT:
        yield CheckWarning(
            "SITE_URL begins with http:// and every request is redirected to HTTPS: Stripe follows no redirect.",
            hint="Give Stripe and SITE_URL the https:// address.",
            id="webhooks.W007",
        )
    if scheme == "https" and settings.SECURE_SSL_REDIRECT and not settings.SECURE_PROXY_SSL_HEADER:
        yield CheckWarning(
            "SITE_URL begins with https://, but no proxy is trusted to say so: behind a proxy every request is "
            "redirected with 301, and Stripe follows no redirect.",
            hint="Set BEHIND_PROXY=true (SECURE_PROXY_SSL_HEADER). Silence webhooks.W008 where the web server itself "
            "speaks HTTPS.",
            id="webhooks.W008",
        )


def _slow_senders() -> Iterator[CheckMessage]:
    if not settings.SECURE_PROXY_SSL_HEADER:
        yield CheckWarning(
            "There is no proxy before the web service. Under WSGI, as `manage.py serve` runs it, a sender who begins a "
            "request and never ends it keeps one of its threads busy for as long as they like.",
            hint="Put nginx before it (deploy/nginx.conf) and set BEHIND_PROXY=true; or serve core.asgi:application, "
            'which ends such requests, and silence webhooks.W010. See "Slow senders" in docs/howto/production.md.',
            id="webhooks.W010",
        )


def _modes() -> Iterator[CheckMessage]:
    for name, endpoint in config().endpoints.items():
        if endpoint.livemode is None:
            yield CheckWarning(
                f'WEBHOOKS["ENDPOINTS"][{name!r}] handles live and test events alike.',
                hint='Add "LIVEMODE": True for live events only (STRIPE_WEBHOOK_LIVEMODE=true), False for test events.',
                id="webhooks.W004",
            )


def _site_url() -> str:
    url = getattr(settings, "SITE_URL", "")
    return url if isinstance(url, str) else ""


def _can_be_a_host(name: object) -> bool:
    """Django compares it with the name alone. IPv6 addresses are in brackets."""
    return isinstance(name, str) and bool(re.fullmatch(r"\*|\.?[\w.-]+|\[[0-9a-fA-F:.]+\]", name))


def _is_this_machine(name: str) -> bool:
    return name in ("localhost", "127.0.0.1", "[::1]", ".localhost")
