"""Every URL of the project."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("alerts_runtime.urls")),
    path("", include("webhooks.urls")),
    path("", include("notifier.urls")),
    path("", RedirectView.as_view(pattern_name="notifier_pages:now")),
    path("alerts/", include("notifier.pages.urls")),
    path("admin/", admin.site.urls),
]
