"""The operator's pages, mounted by one include: `path("alerts/", include("notifier.pages.urls"))`."""

from __future__ import annotations

from django.apps import apps
from django.contrib.auth.views import LogoutView
from django.urls import path

from notifier.pages import act, alert, login, now

app_name = "notifier_pages"
urlpatterns = [
    path("", now.now, name="now"),
    path("<int:number>/", alert.alert, name="alert"),
    path("<int:number>/alert.md", alert.export, name="export"),
    path("<int:number>/<slug:verb>/", act.act, name="act"),
    path("login/", login.log_in, name="login"),
    path("logout/", LogoutView.as_view(next_page="notifier_pages:login"), name="logout"),
]

if "swa_webhooks" in apps.app_configs:  # else the events are dj-stripe's, with pages of its own
    from notifier.pages import events

    urlpatterns += [
        path("events/", events.events, name="events"),
        path("events/<str:event_id>/", events.event, name="event"),
        path("events/<str:event_id>/again/", events.again, name="again"),
    ]
