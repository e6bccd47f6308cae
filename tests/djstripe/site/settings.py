"""dj-stripe as its documentation sets it up, and two apps more. WITH_WEBHOOKS=1 adds the project's own receiver."""

import os
from urllib.parse import urlsplit

SECRET_KEY = "only-for-tests-" + "x" * 50
ALLOWED_HOSTS = ["*"]
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "djstripe",
    "tests.djstripe.site",
    "alerts_runtime",
    "notifier",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
_processors = [
    "django.template.context_processors.request",
    "django.contrib.auth.context_processors.auth",
    "django.contrib.messages.context_processors.messages",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": _processors},
    }
]
ROOT_URLCONF = "tests.djstripe.site.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

_suffix = os.environ.get("TEST_DB_SUFFIX", "")
if _url := os.environ.get("TEST_DATABASE_URL", ""):
    _at = urlsplit(_url)
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _at.path.removeprefix("/"),
            "USER": _at.username or "",
            "PASSWORD": _at.password or "",
            "HOST": _at.hostname or "",
            "PORT": str(_at.port or ""),
            "TEST": {"NAME": f"test_djstripe{_suffix}"},
        }
    }
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}

STRIPE_LIVE_MODE = True
STRIPE_LIVE_SECRET_KEY = "sk_live_" + "Canary0Key" * 3
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
# Its migrations take a minute to arrive at the tables that its models describe.
MIGRATION_MODULES = dict.fromkeys(("admin", "auth", "contenttypes", "sessions", "djstripe"))

NOTIFIER = {"CHANNELS": {"chat": {"BACKEND": "memory"}}, "ROUTES": {"*": ["chat"]}}
if os.environ.get("WITH_WEBHOOKS"):
    INSTALLED_APPS.append("webhooks")
    WEBHOOKS = {"MODE": "inline", "ENDPOINTS": {"default": {"SECRETS": ["whsec_canary" + "s" * 26]}}}
