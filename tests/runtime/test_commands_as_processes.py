"""What only shows of a command in a process of its own: a pipe that closes, and Django's own commands by manage.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alerts_runtime.management.command import NOBODY_READS

ROOT = Path(__file__).parents[2]


def manage(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    given = {**os.environ, "DJANGO_ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "tests.settings", **environment}
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=given,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_pipe_that_nobody_reads_ends_it_without_a_word() -> None:
    process = manage("notifier_setup")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (NOBODY_READS, "")


@pytest.mark.parametrize(
    "arguments", [("migrate", "--skip-checks"), ("showmigrations", "--skip-checks"), ("check", "--database=default")]
)
def test_djangos_own_commands_say_in_a_sentence_that_there_is_no_database(arguments: tuple[str, ...]) -> None:
    process = manage(*arguments, TEST_DATABASE_URL="sqlite:////no/such/folder/x.sqlite3")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert said.splitlines()[-1] == "CommandError: The database cannot be used: unable to open database file"
    assert "Traceback" not in said
