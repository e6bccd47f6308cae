"""Where providers report what became of messages."""

from django.urls import path

from notifier import views

app_name = "notifier"
urlpatterns = [
    path("notifier/twilio/status/", views.twilio_status, name="twilio_status"),
    path("anymail/<slug:provider>/tracking/", views.email_tracking, name="email_tracking"),
]
