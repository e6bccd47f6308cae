"""Processes take turns at a SQLite file; none waits long for one that was stopped."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alerts_runtime.database import sqlite_write_lock
from tests.logged import capture_logs

HOLDS = """
import pathlib, sys
from alerts_runtime.database import sqlite_write_lock as turns
with turns.turn(pathlib.Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process whose turn it is, until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "mine\n"
        yield process
        process.kill()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "db.sqlite3"
    path.touch()
    path.chmod(0o660)  # umask or not
    return path


def taken(file: Path) -> float:
    """Seconds until it was our turn, or we went on without."""
    began = time.monotonic()
    with sqlite_write_lock.turn(file):
        return time.monotonic() - began


def test_whoever_comes_second_waits_for_the_first(file: Path) -> None:
    with holder(file) as process:
        assert process.stdin
        mine = sqlite_write_lock._file(file, 0)
        assert mine is not None
        assert not sqlite_write_lock._take(mine)
        process.stdin.close()
        process.wait(10)
        assert taken(file) < sqlite_write_lock.PATIENCE


def test_a_holder_that_was_stopped_stops_nobody(file: Path) -> None:
    with holder(file):
        assert sqlite_write_lock.PATIENCE <= taken(file) < 10 * sqlite_write_lock.PATIENCE


def test_a_holder_that_died_leaves_nothing_behind(file: Path) -> None:
    with holder(file) as process:
        process.kill()
        process.wait(10)
        assert taken(file) < sqlite_write_lock.PATIENCE


def test_a_turn_ends_with_an_error(file: Path) -> None:
    with pytest.raises(ValueError, match="broken"), sqlite_write_lock.turn(file):
        raise ValueError("broken")
    assert taken(file) < sqlite_write_lock.PATIENCE


def test_the_lock_may_be_taken_by_whoever_may_write_to_the_database(file: Path) -> None:
    taken(file)
    (lock,) = file.parent.glob("*-turn")
    assert lock.stat().st_mode & 0o777 == 0o660


def test_where_no_lock_can_be_made_everybody_goes_on_and_it_is_said_once(tmp_path: Path) -> None:
    nowhere = tmp_path / "gone" / "db.sqlite3"
    with capture_logs() as logs:
        assert taken(nowhere) < sqlite_write_lock.PATIENCE
        assert taken(nowhere) < sqlite_write_lock.PATIENCE
    assert [line["log_level"] for line in logs] == ["warning"]
