"""`manage.py check`: everything that is wrong or doubtful in NOTIFIER, at once, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks

from notifier.config.conf import read_settings
from notifier.config.problems import Problem


@checks.register("notifier")
def check_notifier(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[checks.CheckMessage]:
    return [_message(problem) for problem in read_settings()[1]]


def _message(problem: Problem) -> checks.CheckMessage:
    kind = checks.Error if problem.level == "error" else checks.Warning
    return kind(f"{problem.path}: {problem.text}.", hint=problem.hint or None, id=f"notifier.{problem.id}")
