"""A place to log in, for a site that has none of its own: LOGIN_URL = "notifier_pages:login"."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import LoginView
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from notifier.pages.access import guarded


class Login(LoginView):
    template_name = "notifier/pages/login.html"
    next_page = "notifier_pages:now"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(notes=messages.get_messages(self.request), page="login", **kwargs)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return guarded(super().dispatch(request, *args, **kwargs))


log_in = Login.as_view()
