"""Runs the tests on SQLite and on PostgreSQL.

A machine without PostgreSQL runs the SQLite part and says so; with CI set, PostgreSQL must be there.
"""

import os
import subprocess
import sys

import psycopg

POSTGRES = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres")


def reachable() -> str:
    """Empty when PostgreSQL answers, else why not."""
    try:
        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except psycopg.Error as error:
        return str(error).splitlines()[0]
    return ""


def run(name: str, url: str) -> int:
    print(f"\n--- tests on {name} ---", flush=True)  # noqa: T201 - a program's output
    environment = os.environ | {"TEST_DATABASE_URL": url}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--maxprocesses", "4", *sys.argv[1:]]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    why_not = reachable()
    if why_not and os.environ.get("CI"):
        sys.exit(f"PostgreSQL must be reachable in CI (TEST_POSTGRES_URL): {why_not}")
    failed = run("SQLite", "")
    if why_not:
        print(f"\nSkipped: the tests on PostgreSQL, since it cannot be reached ({why_not}).")  # noqa: T201 - as above
    else:
        failed = run("PostgreSQL", POSTGRES) or failed
    sys.exit(failed)
