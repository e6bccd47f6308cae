"""All that the alerts have written and sent."""

from __future__ import annotations

from django.apps import apps

from notifier.channels import memory
from notifier.delivery.courier import Courier


def everything_written() -> str:
    """Every value of every table of ours, and every message, in one text."""
    Courier("chat").step()
    rows = [
        str(row)
        for label in ("swa_runtime", "swa_notifier")
        for model in apps.get_app_config(label).get_models()
        for row in model._default_manager.values()
    ]
    return "\n".join([*rows, *(str(one) for one in memory.outbox)])
