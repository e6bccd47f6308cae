"""What is written to disk is for its owner alone, and nothing is written through what somebody else put there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alerts_runtime.database import sqlite_write_lock
from alerts_runtime.database.private_files import make_file, make_folder
from alerts_runtime.wakeups import fifo

ROOT = Path(__file__).resolve().parents[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


def test_folders_and_files_are_the_owners(tmp_path: Path) -> None:
    make_folder(tmp_path / "var" / "static")
    make_file(tmp_path / "db.sqlite3")
    (tmp_path / "open.sqlite3").touch(0o640)
    make_file(tmp_path / "open.sqlite3")

    assert mode(tmp_path / "var" / "static") == 0o700
    assert mode(tmp_path / "db.sqlite3") == 0o600
    assert mode(tmp_path / "open.sqlite3") == 0o640, "what is there keeps the rights that somebody gave it"
    make_file(tmp_path / "absent" / "db.sqlite3")  # SQLite says what is wrong with that


@pytest.mark.parametrize(("database", "beside"), [(0o600, 0o600), (0o644, 0o600), (0o660, 0o660), (0o666, 0o660)])
def test_pipes_and_locks_have_the_rights_of_who_may_write(tmp_path: Path, database: int, beside: int) -> None:
    file = tmp_path / "db.sqlite3"
    file.touch()
    file.chmod(database)
    with fifo.hearing(file), sqlite_write_lock.turn(file):
        made = sorted(path for path in tmp_path.iterdir() if path != file)
        assert [mode(path) for path in made] == [beside, beside]
    sqlite_write_lock._file.cache_clear()


@pytest.mark.parametrize("kind", ["file", "link", "link to a pipe"])
def test_a_wake_up_writes_to_pipes_alone(tmp_path: Path, kind: str) -> None:
    file, victim = tmp_path / "db.sqlite3", tmp_path / "victim"
    file.touch()
    planted = tmp_path / f"db.sqlite3{fifo.MARK}1-abcd"
    if kind == "file":
        planted.write_text("precious")
    elif kind == "link":
        victim.write_text("precious")
        planted.symlink_to(victim)
    else:
        os.mkfifo(victim)
        planted.symlink_to(victim)
        reader = os.open(victim, os.O_RDWR | os.O_NONBLOCK)

    fifo.send(file, "events")

    if kind == "link to a pipe":
        with pytest.raises(BlockingIOError):
            os.read(reader, 100)
        os.close(reader)
    else:
        assert (victim if kind == "link" else planted).read_text() == "precious"


def test_a_first_database_is_the_owners(tmp_path: Path) -> None:
    file = tmp_path / "shop.sqlite3"
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{file}", "DJANGO_SETTINGS_MODULE": "core.settings"}
    environment |= {"SECRET_KEY": "x" * 50, "DJANGO_ENV_FILE": os.devnull}
    code = "import django; django.setup(); from django.db import connection; connection.cursor().execute('SELECT 1')"
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, timeout=60)

    assert {mode(path) for path in tmp_path.iterdir()} == {0o600}


def test_the_first_env_file_is_the_owners(tmp_path: Path) -> None:
    (tmp_path / ".env.example").write_text((ROOT / ".env.example").read_text())
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "venv" / ".ready").touch()
    subprocess.run(
        ["make", "-f", str(ROOT / "Makefile"), ".env", f"VENV={tmp_path / 'venv'}"], cwd=tmp_path, check=True
    )

    assert mode(tmp_path / ".env") == 0o600
    assert "SECRET_KEY=\n" not in (tmp_path / ".env").read_text()
