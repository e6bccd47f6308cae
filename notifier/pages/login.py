"""A place to log in, for a site that has none of its own: LOGIN_URL = "notifier_pages:login"."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt

from notifier.pages import csrf
from notifier.pages.access import guarded, refuse_form, show


@method_decorator(csrf_exempt, name="dispatch")  # it makes the check itself, to show a page of ours
class Login(LoginView):
    template_name = "notifier/pages/login.html"
    next_page = "notifier_pages:now"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(notes=messages.get_messages(self.request), page="login", **kwargs)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if why := csrf.why_refused(request):
            return refuse_form(request, why, request.get_full_path())
        response = super().dispatch(request, *args, **kwargs)
        csrf.with_cookie(request, response)
        return guarded(response)


@method_decorator(csrf_exempt, name="dispatch")
class Logout(LogoutView):
    next_page = "notifier_pages:login"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if why := csrf.why_refused(request):
            return refuse_form(request, why, reverse("notifier_pages:now"))
        return super().dispatch(request, *args, **kwargs)


def locked_out(request: HttpRequest, _response: object = None, credentials: object = None) -> HttpResponse:
    """For django-axes, as AXES_LOCKOUT_CALLABLE: what happened, and what to do now."""
    lasts = getattr(settings, "AXES_COOLOFF_TIME", None)
    context = {
        "name": request.POST.get("username", "")[:150],
        "lasts": lasts if isinstance(lasts, timedelta) else None,
    }
    return show(request, None, "locked_out", context, status=HTTPStatus.TOO_MANY_REQUESTS)


log_in = Login.as_view()
log_out = Logout.as_view()
