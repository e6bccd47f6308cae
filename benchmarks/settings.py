"""The project's settings for benchmarks: one channel without a rate limit, and no second attempts."""

from core.settings import *  # noqa: F403 - Django's way to extend settings

NOTIFIER = {
    "CHANNELS": {"slack": {"BACKEND": "slack", "TO": "#payments"}},
    "ROUTES": {"*": ["slack"]},
    # Slack takes one message per second and channel, the fake any number: what is measured is this side.
    "LIMITS": {"slack": {"RATES": []}},
}
WEBHOOKS["RETRY"] = {"ATTEMPTS": 1}  # noqa: F405 - from the star import. Retries would disturb an idle system
