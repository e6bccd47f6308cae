"""`manage.py check --deploy` and `makemigrations --check` under production settings: no warning, nothing missing.

Run as a program: it sets the environment of a production site before Django reads it.
"""

import os
import subprocess
import sys

PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "core.settings",
    "DJANGO_ENV_FILE": os.devnull,
    "SECRET_KEY": "a-long-key-that-is-only-for-this-check-" + "".join(map(chr, range(48, 91))),
    "ALLOWED_HOSTS": "shop.example",
    "SITE_URL": "https://shop.example",
    "BEHIND_PROXY": "true",
    "STRIPE_WEBHOOK_SECRET": "whsec_check",
    "STRIPE_WEBHOOK_LIVEMODE": "true",
    "SLACK_BOT_TOKEN": "xoxb-check",
    "SLACK_CHANNEL": "#payments",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "check",
    "TWILIO_FROM": "+4915112345678",
    "ONCALL_NUMBERS": "+4915187654321",
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "EMAIL_HOST": "mail.shop.example",
    "DEFAULT_FROM_EMAIL": "alerts@shop.example",
    "ALERT_EMAIL_TO": "team@shop.example",
}
OF_OTHER_CHANNELS = ("TWILIO_", "ONCALL_", "EMAIL_", "ALERT_", "DEFAULT_FROM")
SLACK_ALONE = {name: value for name, value in PRODUCTION.items() if not name.startswith(OF_OTHER_CHANNELS)}
CHECK = ["check", "--deploy", "--fail-level", "WARNING"]
COMMANDS = ((PRODUCTION, CHECK), (SLACK_ALONE, CHECK), (PRODUCTION, ["makemigrations", "--check", "--dry-run"]))

if __name__ == "__main__":
    machine = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    for site, command in COMMANDS:
        print("manage.py", *command, flush=True)  # noqa: T201 - a program's output
        done = subprocess.run([sys.executable, "-W", "error", "manage.py", *command], env=machine | site, check=False)
        if done.returncode:
            sys.exit(done.returncode)
