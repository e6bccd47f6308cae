"""The project's own settings with the people and the routes of the night."""

from core.settings import *  # noqa: F403 - Django's way to extend settings
from tests.acceptance import night

# A test has no time for an SMS a minute.
NOTIFIER = night.NOTIFIER | {"LIMITS": {"primary": {"RATES": []}, "secondary": {"RATES": []}}}
