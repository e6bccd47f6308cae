"""The operator's pages, mounted by one include: `path("alerts/", include("notifier.pages.urls"))`."""

from __future__ import annotations

from django.apps import apps
from django.urls import path

from notifier.pages import act, alert, answer, digests, dryrun, log, login, now, oncall, routing, silences, unsubscribe

app_name = "notifier_pages"
urlpatterns = [
    path("", now.now, name="now"),
    path("<int:number>/", alert.alert, name="alert"),
    path("<int:number>/alert.md", alert.export, name="export"),
    path("<int:number>/<slug:verb>/", act.act, name="act"),
    path("silences/", silences.all_silences, name="silences"),
    path("silences/new/", silences.silence, name="silence"),
    path("silences/<int:number>/end/", silences.end, name="end_silence"),
    path("ignored/<int:number>/end/", silences.tell_again, name="tell_again"),
    path("oncall/", oncall.oncall, name="oncall"),
    path("oncall/take/", oncall.take, name="take"),
    path("oncall/<int:number>/undo/", oncall.undo, name="undo"),
    path("log/", log.log, name="log"),
    path("routing/", routing.routing, name="routing"),
    path("routing/try/", dryrun.dry_run, name="dry_run"),
    path("routing/mail/", dryrun.mail, name="mail"),
    path("routing/test/", routing.test, name="test"),
    path("digests/", digests.digests, name="digests"),
    path("digests/<int:number>/", digests.digest, name="digest"),
    path("answer/<str:token>/", answer.answer, name="answer"),
    path("unsubscribe/<str:token>/", unsubscribe.unsubscribe, name="unsubscribe"),
    path("login/", login.log_in, name="login"),
    path("logout/", login.log_out, name="logout"),
]

if "swa_webhooks" in apps.app_configs:  # else the events are dj-stripe's, with pages of its own
    from notifier.pages import events

    urlpatterns += [
        path("events/", events.events, name="events"),
        path("events/<str:event_id>/", events.event, name="event"),
        path("events/<str:event_id>/again/", events.again, name="again"),
        path("events/<str:event_id>/never-again/", events.never_again, name="never_again"),
        path("events/<str:event_id>/run-again/", events.run_again, name="run_again"),
    ]
