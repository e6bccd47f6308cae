"""What probes and Prometheus ask: include("alerts_runtime.urls")."""

from django.urls import path

from alerts_runtime.monitoring import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics_page, name="metrics"),
]
