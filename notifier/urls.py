"""Where providers report what became of messages, what people answer, and where calendars are read."""

from django.urls import path

from notifier import views
from notifier.answers import slack_view, sms_view, voice_view
from notifier.feeds import view as feeds

app_name = "notifier"
urlpatterns = [
    path("notifier/twilio/status/", views.twilio_status, name="twilio_status"),
    path("notifier/twilio/answers/", sms_view.twilio_answers, name="twilio_answers"),
    path("notifier/twilio/voice/", voice_view.twilio_voice, name="twilio_voice"),
    path("notifier/slack/", slack_view.slack, name="slack"),
    path("notifier/oncall/<str:rotation>/all/<str:token>.ics", feeds.calendar, name="calendar_all"),
    path("notifier/oncall/<str:rotation>/<str:person>/own/<str:token>.ics", feeds.calendar, name="calendar_mine"),
    path("anymail/<slug:provider>/tracking/", views.email_tracking, name="email_tracking"),
]
