from django.apps import apps
from django.urls import include, path

urlpatterns = [path("stripe/", include("djstripe.urls", namespace="djstripe"))]
if apps.is_installed("webhooks"):
    urlpatterns += [path("ours/", include("webhooks.urls"))]
