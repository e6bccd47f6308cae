"""Where providers report what became of messages, and what people answer."""

from django.urls import path

from notifier import views
from notifier.answers import slack_view, sms_view

app_name = "notifier"
urlpatterns = [
    path("notifier/twilio/status/", views.twilio_status, name="twilio_status"),
    path("notifier/twilio/answers/", sms_view.twilio_answers, name="twilio_answers"),
    path("notifier/slack/", slack_view.slack, name="slack"),
    path("anymail/<slug:provider>/tracking/", views.email_tracking, name="email_tracking"),
]
