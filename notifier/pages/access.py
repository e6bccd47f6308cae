"""Who may see a page and who may act on it, and what every page's answer has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.templatetags.static import static
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from alerts_runtime.failures.foreign import storable
from alerts_runtime.leasing import clock
from notifier.config.conf import get_policy
from notifier.pages import csrf, typed
from notifier.pages.groups import ACT, CONFIGURE, PAYLOAD, VIEW

PAGES = {
    "now": gettext_lazy("Now"),
    "events": gettext_lazy("Events"),
    "silences": gettext_lazy("Silences"),
    "oncall": gettext_lazy("On call"),
    "log": gettext_lazy("Log"),
    "routing": gettext_lazy("Routing"),
    "digests": gettext_lazy("Digests"),
}
_ABOUT_ONE = {"alert": "number", "event": "event_id"}  # the pages that are of one thing, and how it is named
ZONE = "alerts_zone"  # the cookie in which the browser names its time zone
Answered = TypeVar("Answered", bound=HttpResponseBase)
View = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, and the zone in which they read times."""

    name: str
    zone: str
    now: datetime
    may_act: bool
    may_configure: bool
    may_read_payloads: bool

    @property
    def pages(self) -> list[tuple[str, str]]:
        """The pages that there are here, for the list at the top."""
        return [(f"notifier_pages:{name}", str(label)) for name, label in PAGES.items() if _is_here(name)]


def page(permission: str = VIEW, *, back: str = "") -> Callable[[View], View]:
    """A view for whoever has the permission, called with a Viewer after the request.

    Others are sent to the site's login or told what they lack. `back` names the page that has the form which posts
    here: whoever logs in again finds it there, with what they had typed.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            _refuse_what_no_database_holds(request, kwargs.values())
            if why := csrf.why_refused(request):
                return refuse_form(request, why, _address(back, kwargs))
            if not request.user.is_authenticated:
                return _log_in(request, _address(back, kwargs))
            if request.method == "POST":
                typed.forget(request)
            viewer = viewer_of(request)
            with timezone.override(ZoneInfo(viewer.zone)):
                if not request.user.has_perms((VIEW, permission)):
                    return show(request, viewer, "refused", {"permission": permission}, status=403)
                try:
                    return view(request, viewer, *args, **kwargs)
                except Http404 as missing:
                    return show(request, viewer, "missing", {"what": str(missing)}, status=404)

        # Exempt, since the view makes the check itself.
        return csrf_exempt(never_cache(login_not_required(transaction.non_atomic_requests(inner))))

    return wrap


def viewer_of(request: HttpRequest) -> Viewer:
    user = request.user
    return Viewer(
        name=user.get_username(),
        zone=_zone(request),
        now=clock.now(),
        may_act=user.has_perm(ACT),
        may_configure=user.has_perm(CONFIGURE),
        may_read_payloads=user.has_perm(PAYLOAD),
    )


def show(
    request: HttpRequest, viewer: Viewer | None, template: str, context: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """A page, with what every page needs."""
    # The request too: no context processor of the site's is needed.
    known = {"request": request, "viewer": viewer, "notes": messages.get_messages(request), "page": template}
    response = render(request, f"notifier/pages/{template}.html", {**known, **(context or {})}, status=status)
    csrf.with_cookie(request, response)
    return guarded(response)


def guarded(response: Answered) -> Answered:
    """With the headers that keep foreign code and foreign frames out. Names no other place than this site."""
    files = urlsplit(static("notifier/pages.css"))
    own = f"{files.scheme}://{files.netloc}" if files.netloc else "'self'"
    response["Content-Security-Policy"] = (
        f"default-src 'none'; frame-src 'self'; style-src {own}; script-src {own}; img-src {own}; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    response["Referrer-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def say(request: HttpRequest, sentence: str, *, done: bool = True) -> None:
    """A sentence at the top of the next page."""
    messages.add_message(request, messages.SUCCESS if done else messages.WARNING, sentence)


def next_page(request: HttpRequest, otherwise: str) -> str:
    """Where a form asks to go next: within this site, or nowhere."""
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if safe and wanted.startswith("/") else otherwise  # Django takes a word for the name of a page


def refuse_form(request: HttpRequest, why: str, address: str) -> HttpResponse:
    """A form that was not sent from a page as it is now. What a page of this site sent is in its fields again."""
    kept = bool(address) and csrf.is_of_this_site(request) and typed.keep(request, address)
    happened, todo = csrf.in_words(request, why)
    viewer = viewer_of(request) if request.user.is_authenticated else None
    context = {"happened": happened, "todo": todo, "address": address, "kept": kept}
    return show(request, viewer, "form_refused", context, status=403)


def _log_in(request: HttpRequest, address: str) -> HttpResponse:
    if request.method != "POST" or not address:
        return redirect_to_login(request.get_full_path(), _login_url())
    if typed.keep(request, address):
        said = _("You had been logged out. Nothing was done; what you typed is there again once you are logged in.")
    else:
        said = _("You had been logged out. Nothing was done, and what you typed was too much to be kept.")
    messages.warning(request, said)
    return redirect_to_login(address, _login_url())


def _address(back: str, kwargs: dict[str, Any]) -> str:
    """Of the page with the form that posts here; "" for what is no form."""
    if not back:
        return ""
    known = {name: kwargs[name]} if (name := _ABOUT_ONE.get(back, "")) else {}
    return reverse(f"notifier_pages:{back}", kwargs=known)


def _login_url() -> str:
    """The site's own; ours where LOGIN_URL is as Django comes with it, and leads nowhere."""
    url = resolve_url(settings.LOGIN_URL)
    parts = urlsplit(url)
    try:
        if not parts.netloc:
            resolve(parts.path)
    except Resolver404:
        return reverse("notifier_pages:login")
    return url


def _is_here(name: str) -> bool:
    try:
        return bool(reverse(f"notifier_pages:{name}"))
    except NoReverseMatch:
        return False


def _refuse_what_no_database_holds(request: HttpRequest, in_path: Iterable[object]) -> None:
    asked = (text for sent in (request.GET, request.POST) for name, values in sent.lists() for text in (name, *values))
    if any(storable(text) != text for text in map(str, (*in_path, *asked))):
        raise BadRequest(_("What was sent holds a character that no text can hold."))


def _zone(request: HttpRequest) -> str:
    """The browser's zone, which pages.js leaves in a cookie; without it the policy's."""
    asked = request.COOKIES.get(ZONE, "")
    if asked:
        try:
            return ZoneInfo(asked).key
        except (KeyError, ValueError, OSError):  # not a zone, whatever else it may be
            pass
    try:
        return get_policy().tz
    except Exception:  # noqa: BLE001 - the checks say what is wrong with the settings; pages are still to be read
        return str(settings.TIME_ZONE)
