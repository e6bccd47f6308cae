"""The crash matrix's settings, without a throttle on Slack: it would be the time to recover."""

from tests.chaos.settings import *  # noqa: F403 - Django's way to extend settings

NOTIFIER["LIMITS"] |= {"slack": {"RATES": []}}  # noqa: F405 - from the star import
