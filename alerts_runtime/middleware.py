"""Answers probes that call this process by its address and over plain HTTP, as load balancers do."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils.deprecation import MiddlewareMixin

from alerts_runtime.monitoring import health

_VIEWS = (health.healthz, health.readyz, health.metrics_page)
_NAMES = frozenset({"healthz", "readyz", "metrics"})


class AnswerProbes(MiddlewareMixin):
    """Answers /healthz, /readyz and /metrics. Put it first in MIDDLEWARE: those behind it may refuse a request for an
    address that is not in ALLOWED_HOSTS, redirect it to HTTPS, or ask for a login.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        if request.path_info.rpartition("/")[2] not in _NAMES:
            return None
        try:
            found = resolve(request.path_info)
        except Resolver404:
            return None
        return found.func(request) if found.func in _VIEWS else None
