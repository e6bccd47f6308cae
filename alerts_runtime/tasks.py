"""Where Celery looks for an app's tasks: there is one if ALERTS_ENGINE names an engine, and else none."""

from __future__ import annotations

from alerts_runtime.engine import hints

if hints.in_use():
    from alerts_runtime.engine.tasks import look  # noqa: F401 - to import it is to register it
