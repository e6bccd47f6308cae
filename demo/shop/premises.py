"""The data of the demo's shop: what is broken in it when the demo begins, and how it is repaired."""

from __future__ import annotations

import json
import os
from pathlib import Path

LEDGER = "ledger"  # the alias in DATABASES
KNOWN, FORGOTTEN = "basic", "pro"  # plans


def folder() -> Path:
    return Path(os.environ["DEMO_FOLDER"])


def stripe_api() -> str:
    return os.environ["DEMO_STRIPE_API"]


def plans_file() -> Path:
    return folder() / "plans.json"


def ledger_file() -> Path:
    return folder() / "ledger" / "ledger.sqlite3"


def open_shop() -> None:
    """The ledger's folder is not there, and a plan has been forgotten."""
    plans_file().write_text(json.dumps({KNOWN: "Basic"}))


def mend() -> None:
    """What the shop's owner does about it. Stripe comes back by itself."""
    plans_file().write_text(json.dumps({KNOWN: "Basic", FORGOTTEN: "Pro"}))
    ledger_file().parent.mkdir()
