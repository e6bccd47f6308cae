"""What an engine runs: https://docs.djangoproject.com/en/stable/topics/tasks/. Imported only where one is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import django
from django.conf import settings

from alerts_runtime.engine import executor, hints

if TYPE_CHECKING or django.VERSION >= (6, 0):
    from django.tasks import task
else:
    from django_tasks import task


@task(backend=hints.alias() or "default", queue_name=getattr(settings, "TASKS_QUEUE", "default"))
def look(loop: str) -> None:
    """Run a loop until nothing is due there. Any number may run at once; one that finds nothing to do costs a query."""
    if executor.run(loop):
        hints.request_run(loop)
