"""dj-stripe and the apps of Django's startproject, without the middleware, which would only slow it."""

import os

from benchmarks.sides.databases import from_environment

SECRET_KEY = "benchmark"  # noqa: S105 - signs nothing
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "djstripe",
]
if os.environ.get("ALERTS"):
    INSTALLED_APPS += ["alerts_runtime", "notifier"]
    NOTIFIER = {"CHANNELS": {"chat": {"BACKEND": "memory"}}, "ROUTES": {"*": ["chat"]}}
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks.sides.djstripe.urls"
DATABASES = {"default": from_environment()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STRIPE_API_HOST = os.environ["STRIPE_API_HOST"]  # a fake that answers at once
STRIPE_TEST_SECRET_KEY = "sk_test_" + "b" * 24
STRIPE_LIVE_MODE = False
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
# Its migrations take a minute to arrive at the tables that its models describe.
MIGRATION_MODULES = dict.fromkeys(("admin", "auth", "contenttypes", "sessions", "djstripe"))
