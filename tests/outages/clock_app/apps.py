import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.apps import AppConfig
from django.utils import timezone

_FILE = Path(os.environ["CLOCK"])


def _now() -> datetime:
    try:
        return datetime.now(UTC) + timedelta(seconds=float(_FILE.read_text()))
    except FileNotFoundError:
        return datetime.now(UTC)


timezone.now = _now  # while apps are imported, before any other module can have taken the real one


class ClockConfig(AppConfig):
    name = "tests.outages.clock_app"
