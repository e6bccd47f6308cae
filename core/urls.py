"""Every URL of the project."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from alerts_runtime.monitoring import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics_page, name="metrics"),
    path("", include("webhooks.urls")),
    path("", include("notifier.urls")),
    path("", RedirectView.as_view(pattern_name="notifier_pages:now")),
    path("alerts/", include("notifier.pages.urls")),
    path("admin/", admin.site.urls),
]
