"""Settings of the demo: the project's own, with databases in the demo's folder and retries that keep nobody waiting."""

from core.settings import *  # noqa: F403 - Django's way to extend settings
from demo.shop.premises import LEDGER, folder, ledger_file

DATABASES["default"]["NAME"] = folder() / "demo.sqlite3"  # noqa: F405 - from the star import
DATABASES[LEDGER] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ledger_file()}  # noqa: F405 - as above
DATABASE_ROUTERS = ["demo.shop.router.LedgerRouter"]

FIRST_DELAY = 1  # seconds, instead of 10
WEBHOOKS["RETRY"] = {"FIRST_DELAY": FIRST_DELAY, "ATTEMPTS": 1}  # noqa: F405 - as above
