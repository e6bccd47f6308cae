"""Django's CSRF check, with a page that says what happened and what to do now when it fails."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import REASON_BAD_ORIGIN, REASON_NO_CSRF_COOKIE, CsrfViewMiddleware
from django.utils.translation import gettext as _

_ORIGIN = REASON_BAD_ORIGIN.partition("%")[0]


class _Check(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:  # as Django's own decorators override it
        return reason

    def why_not(self, request: HttpRequest) -> str:
        self.process_request(request)
        found: Any = self.process_view(request, _a_view, (), {})
        return str(found or "")

    def is_of_this_site(self, request: HttpRequest) -> bool:
        return "HTTP_ORIGIN" in request.META and bool(self._origin_verified(request))  # type: ignore[attr-defined]  # Django's


def _a_view(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError  # the check asks only whether it is exempt


_check = _Check(_a_view)


def why_refused(request: HttpRequest) -> str:
    """Why this form is not taken, as Django words it; "" when it is."""
    return _check.why_not(request)


def is_of_this_site(request: HttpRequest) -> bool:
    """Whether a page of this site sent it, as the browser says: what it holds was typed there."""
    return _check.is_of_this_site(request)


def with_cookie(request: HttpRequest, response: HttpResponseBase) -> None:
    """The cookie by which the next form is known, on sites too that have no middleware for it."""
    _check.process_response(request, response)


def in_words(request: HttpRequest, why: str) -> tuple[str, str]:
    """What happened, and what to do now."""
    if why.startswith(_ORIGIN):
        address = request.META.get("HTTP_ORIGIN", "")
        return (
            _("The form came from %(address)s, which is not this site's address.") % {"address": address[:100]},
            _("If that is where you use these pages, whoever runs the site adds it to CSRF_TRUSTED_ORIGINS."),
        )
    if why == REASON_NO_CSRF_COOKIE:
        return (
            _("Your browser sent no cookie of this site with the form."),
            _("Allow cookies for it: without them nobody can be told from somebody who pretends to be you."),
        )
    return (
        _("The form was older than your login: you logged in or out in another window, or the page lay open for long."),
        _("Open the page again, and send the form from there."),
    )
