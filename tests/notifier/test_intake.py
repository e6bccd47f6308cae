"""Where failures come from: any number of sources, none of which the notifier needs to start."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

from notifier.intake.source import merged
from notifier.judge.watch import Missing, Seen
from tests.notifier.scene import HOUR, NOON

ALONE = """
import sys
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "alerts_runtime", "notifier"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    SECRET_KEY="x" * 60, USE_TZ=True,
    NOTIFIER={"CHANNELS": {"chat": {"BACKEND": "memory"}}, "ROUTES": {"*": ["chat"]}},
)
import django
django.setup()
from django.core.management import call_command
from django.utils import timezone
call_command("migrate", verbosity=0)
call_command("check")
from notifier import api
from notifier.delivery.courier import Courier
from notifier.delivery.tick import Tick
from notifier.channels import memory
api.alert("Payout is late", key="payouts")
Tick().step()
Courier("chat").step()
print(memory.outbox[0].message.text)
found = [name for name in sys.modules if name.split(".")[0] in ("webhooks", "djstripe", "core")]
print("imported:", found)
"""


def test_the_notifier_alone_imports_no_source_and_alerts() -> None:
    done = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Payout is late" in done.stdout
    assert "imported: []" in done.stdout


def seen(**values: object) -> Seen:
    known: dict[str, object] = {"refused": {}, "stored": {}, "missing": {}, "last_of_type": {}, "first_ever": None}
    return Seen(**known | {"oldest_waiting": None, "waiting": 0} | values)  # type: ignore[arg-type]  # a table's values


def test_what_two_sources_have_seen_is_one_value() -> None:
    found = merged(
        [
            seen(
                refused={("default", "no_match"): 3},
                stored={"default": 5},
                last_of_type={"invoice.paid": NOON - HOUR, "payout.paid": None},
                first_ever=NOON - timedelta(days=2),
                oldest_waiting=NOON - HOUR,
                waiting=2,
            ),
            seen(
                refused={("we_1", "too_old"): 1},
                stored={"we_1": 7},
                missing={"we_2": Missing(NOON, 4)},
                last_of_type={"invoice.paid": NOON, "payout.paid": None},
                first_ever=NOON,
            ),
        ]
    )
    assert found == Seen(
        refused={("default", "no_match"): 3, ("we_1", "too_old"): 1},
        stored={"default": 5, "we_1": 7},
        missing={"we_2": Missing(NOON, 4)},
        last_of_type={"invoice.paid": NOON, "payout.paid": None},
        first_ever=NOON - timedelta(days=2),
        oldest_waiting=NOON - HOUR,
        waiting=2,
    )


def test_without_a_source_nothing_has_been_seen() -> None:
    assert merged([]) == seen()
