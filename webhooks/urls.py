from django.urls import path

from webhooks.receive import views

app_name = "webhooks"
urlpatterns = [
    path("stripe/<slug:endpoint>/", views.receive, name="receive"),
    path("stripe/<slug:endpoint>", views.receive),  # Stripe follows no redirect to the one with the slash
]
