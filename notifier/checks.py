"""`manage.py check`: everything that is wrong or doubtful in NOTIFIER, at once, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db import DatabaseError
from django.utils import timezone

from alerts_runtime.management.command import Unfinished
from notifier.config import coverage, credentials, event_types
from notifier.config.conf import name_of, read_settings
from notifier.config.problems import UNFINISHED, Problem
from notifier.oncall import doubts, uncovered

_SETUP = "`manage.py notifier_setup` prints the lines that this site needs."


@checks.register("notifier")
def check_notifier(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[checks.CheckMessage]:
    if not getattr(settings, "NOTIFIER", None):
        return [_message(Problem("NOTIFIER", "is not set, so nobody is told of anything", _SETUP, "warning", "W004"))]
    policy, problems = read_settings()
    if policy is not None:
        raw = getattr(settings, "NOTIFIER", {})
        problems = [*problems, *credentials.problems(policy, raw, name_of), *event_types.doubts(policy, raw)]
        problems += coverage.problems(policy, raw, timezone.now())
    return [_message(problem) for problem in problems]


@checks.register(checks.Tags.database)
def check_on_call(databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Asked with `--database`, and by `migrate`, which runs before the table is there."""
    policy = read_settings()[0] if databases and getattr(settings, "NOTIFIER", None) else None
    try:
        now = timezone.now()
        found = [*doubts.problems(policy, now), *uncovered.problems(policy, now)] if policy else []
        return [_message(problem) for problem in found]
    except DatabaseError:
        return []


def _message(problem: Problem) -> checks.CheckMessage:
    kind: type[checks.Error] | type[checks.Warning] = checks.Error if problem.level == "error" else checks.Warning
    if problem.level == "error" and problem.id in UNFINISHED:
        kind = Unfinished
    return kind(f"{problem.path}: {problem.text}.", hint=problem.hint or None, id=f"notifier.{problem.id}")
