"""The project's own settings with the faults, short waits, and a channel for each way to ask a provider."""

from core.settings import *  # noqa: F403 - Django's way to extend settings
from tests.chaos import AFTER, BEFORE, READABLE, UNREADABLE

INSTALLED_APPS += ["tests.chaos.faults"]  # noqa: F405 - from the star import
WEBHOOKS["RETRY"] = {"FIRST_DELAY": 1, "ATTEMPTS": 2}  # noqa: F405 - as above

NOTIFIER = {
    "CHANNELS": {
        "slack": {"BACKEND": "slack", "TO": READABLE},
        "mute": {"BACKEND": "slack", "TO": UNREADABLE},
        "oncall": {"BACKEND": "sms", "TO": env.list("ONCALL_NUMBERS")},  # noqa: F405 - as above
        "duty": {"BACKEND": "sms", "TO": {"oncall": "payments"}},
        "team": {"BACKEND": "email", "TO": env.list("ALERT_EMAIL_TO")},  # noqa: F405 - as above
    },
    "PEOPLE": {"ana": {"ADDRESSES": {"sms": BEFORE}}, "ben": {"ADDRESSES": {"sms": AFTER}}},
    "ONCALL": {"payments": {"HANDOVER": "Mon 09:00", "START": "2026-01-05", "MEMBERS": ["ana"]}},
    # By the event's type: who is told of what is the matrix's choice.
    "ROUTES": [
        {"name": "mute", "match": {"event": "mute.*"}, "to": ["mute"]},
        {"name": "sms", "match": {"event": "sms.*"}, "to": ["oncall"]},
        {"name": "email", "match": {"event": "email.*"}, "to": ["team"]},
        {"name": "all", "match": {"event": "all.*"}, "to": ["slack", "mute", "oncall", "team"]},
        {
            "name": "steps",
            "match": {"event": "steps.*"},
            "to": ["slack"],
            "escalate": [{"after": "1s", "to": ["team"]}, {"after": "2s", "last_resort": True}],
        },
        {"name": "duty", "match": {"event": "duty.*"}, "to": ["duty"]},
        {"name": "slack", "to": ["slack"]},
    ],
    "DEFAULTS": {"interval": env.str("CHAOS_INTERVAL", "5m")},  # noqa: F405 - as above
    # An SMS or six messages a minute, or five mails in a quarter of an hour, would take the test's time.
    "LIMITS": {name: {"RATES": []} for name in ("oncall", "duty", "team", "slack")},
    "DIGESTS": {"daily": {"AT": "08:00", "TO": ["team"]}},
    "INHIBIT": [],  # each row's alerts are told, whatever other rows left open
}
