"""Counts requests of Stripe's that something else answers before the receiver: a wrong host, a redirect, a wrong path.

Stripe gets an error for each and disables an endpoint after some days of them; nobody here would notice otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponseBase
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.deprecation import MiddlewareMixin

from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from webhooks.conf import config
from webhooks.receive import refusals
from webhooks.receive.views import UNKNOWN, receive

logger = get_logger(__name__)
_ANY = "any"


class CountRefusedBefore(MiddlewareMixin):
    """Put it first in MIDDLEWARE, so that it sees what the others answer."""

    def process_view(self, request: HttpRequest, view: Callable[..., Any], *_: Any) -> None:
        request.was_received = view is receive  # type: ignore[attr-defined]  # ours

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if request.method == "POST" and not getattr(request, "was_received", False) and _is_delivery(request):
            endpoint, reason = _endpoint(request), _reason(request, response)
            refusals.count(endpoint, reason, clock.now())
            logger.warning("webhook.refused", endpoint=endpoint, reason=reason, status=response.status_code)
        return response


def _is_delivery(request: HttpRequest) -> bool:
    """Whether it is on the receiver's paths, or has Stripe's signature header and is on a path that does not exist."""
    if (prefix := _prefix()) and request.path_info.startswith(prefix):
        return True
    return "HTTP_STRIPE_SIGNATURE" in request.META and not _is_a_path(request.path_info)


def _prefix() -> str:
    """The beginning of the receiver's paths; empty where no URL leads to it, of which `check` warns."""
    try:
        return reverse("webhooks:receive", args=[_ANY]).removesuffix(f"{_ANY}/")
    except NoReverseMatch:
        return ""


def _is_a_path(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def _endpoint(request: HttpRequest) -> str:
    name = request.path_info.removeprefix(_prefix()).strip("/")
    return name if name in config().endpoints else UNKNOWN


def _reason(request: HttpRequest, response: HttpResponseBase) -> str:
    try:
        request.get_host()
    except DisallowedHost:
        return "disallowed_host"
    if 300 <= response.status_code < 400:
        return "redirected"
    return "wrong_path" if not _is_a_path(request.path_info) else "answered_before"
