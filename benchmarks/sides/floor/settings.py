"""No middleware, no apps but its own."""

from benchmarks.sides.databases import from_environment

SECRET_KEY = "benchmark"  # noqa: S105 - signs nothing
ALLOWED_HOSTS = ["127.0.0.1"]
USE_TZ = True
INSTALLED_APPS = ["benchmarks.sides.floor"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks.sides.floor.views"
DATABASES = {"default": from_environment()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
