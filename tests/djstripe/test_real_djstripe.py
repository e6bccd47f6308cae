"""The tests beside this one run in dj-stripe's own environment, since it wants another stripe than this project."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = Path(os.environ.get("BENCH_PYTHON", ROOT / ".venv-bench/bin/python"))


@pytest.mark.django_db  # only its name: where the tests run on a database, these do too
@pytest.mark.parametrize("beside", ["", "1"], ids=["alone", "beside webhooks"])
def test_on_the_real_djstripe(beside: str) -> None:
    if not PYTHON.exists():
        reason = f"dj-stripe's environment is not there: make {PYTHON.parts[-3]}/.ready"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    database = os.environ.get("TEST_DATABASE_URL", "")
    which = "tests/djstripe/inside" + ("/beside.py" if beside and database else "")
    command = [str(PYTHON), "-m", "pytest", "-q", "-c", "tests/djstripe/inside/pytest.ini", "--rootdir", "."]
    command += ["--confcutdir", "tests/djstripe/inside", which]
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    suffix = f"{os.environ.get('TEST_DB_SUFFIX', '')}{worker}{beside}"
    own = {"PYTHONPATH": str(ROOT), "WITH_WEBHOOKS": beside, "TEST_DATABASE_URL": database, "TEST_DB_SUFFIX": suffix}
    foreign = ("PYTEST_", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | own
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    print(done.stdout.splitlines()[-1])  # noqa: T201 - how many there were
