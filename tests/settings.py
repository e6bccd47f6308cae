"""Settings of the tests: the project's own, with a database of the tests' choosing and no credentials."""

import os
from pathlib import Path

os.environ["DJANGO_ENV_FILE"] = os.devnull  # a developer's .env must not change what the tests see
for _name in ("DATABASE_URL", "DEBUG", "DEMO"):
    os.environ.pop(_name, None)
if _url := os.environ.get("TEST_DATABASE_URL", ""):
    os.environ["DATABASE_URL"] = _url
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 50)
os.environ.setdefault("STRIPE_WEBHOOK_SECRET", "whsec_test_current,whsec_test_previous")

from core.settings import *  # noqa: E402, F403 - Django's way to extend settings

_suffix = os.environ.get("TEST_DB_SUFFIX", "")
DEBUG = False
ALLOWED_HOSTS = ["*"]
SECURE_SSL_REDIRECT = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WHITENOISE_AUTOREFRESH = True  # looks for a file when it is asked for, not for all of them with each test client
# On either database no commit waits for the disk: no test takes this machine's power away.
if _url:
    DATABASES["default"]["TEST"] = {"NAME": f"test_alerts{_suffix}"}  # noqa: F405 - from the star import
    if _url.startswith("postgres"):
        DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"  # noqa: F405 - as above
else:
    # A file, not memory: threads and processes must see one database, as they do in production.
    _file = Path(__file__).resolve().parent.parent / "var" / f"test{_suffix}.sqlite3"
    _file.parent.mkdir(mode=0o700, exist_ok=True)
    DATABASES["default"]["TEST"] = {"NAME": str(_file)}  # noqa: F405 - as above
    _options = DATABASES["default"]["OPTIONS"]  # noqa: F405 - as above
    _options["init_command"] = _options["init_command"].replace("synchronous=FULL", "synchronous=OFF")
