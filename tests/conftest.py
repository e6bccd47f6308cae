from __future__ import annotations

import gc
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management.commands import flush
from django.db import connection
from django.db.models.signals import post_migrate
from hypothesis import settings

_HERE = Path(__file__).parent
_STAY = {"django_content_type", "auth_permission"}
_ON_A_DATABASE = {"db", "transactional_db", "django_db_setup"}

# How long an example takes is the machine's affair: no story promises it.
settings.register_profile("any machine", settings(deadline=None))
settings.load_profile("any machine")


# Tests that start processes, and those that take long and are told once: many stories, measurements, browsers and web
# servers. `make quick` leaves out both; CI has the second on PostgreSQL alone, which is the stricter of the two.
_PROCESSES = """
    acceptance browser chaos core djstripe outages package
    notifier/test_intake
    runtime/test_commands_as_processes runtime/test_loggers runtime/test_logs runtime/test_private_files
    runtime/test_turns runtime/test_worker
"""
_STORIES = """
    acceptance/test_servers browser
    notifier/channels/test_contract notifier/oncall/test_compare notifier/oncall/test_rota
    notifier/oncall/test_views_agree notifier/test_accounting notifier/test_escalation_promises
    notifier/test_interleaved notifier/test_no_secret_leaves notifier/test_promises notifier/test_simulation
    runtime/test_engine runtime/test_redact test_costs webhooks/test_hostile_bodies webhooks/test_timeouts
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out the tests that start processes or take long")
    parser.addoption("--no-stories", action="store_true", help="leave out the tests that take long")
    parser.addoption("--database-only", action="store_true", help="leave out the tests that use no database")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What is left out is not imported either: without it a run begins seconds sooner."""
    if _HERE not in collection_path.parents:
        return None
    return collection_path.relative_to(_HERE).with_suffix("").as_posix() in _left_out(config) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Each flush would make the pages' groups anew: rows that other tests would find among their own.
    post_migrate.disconnect(dispatch_uid="notifier.groups", sender=apps.get_app_config("swa_notifier"))
    if config.getoption("--database-only"):
        others = [item for item in items if not _uses_a_database(item)]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if _uses_a_database(item)]


def pytest_collection_finish() -> None:
    """All that is imported stays: Python's search for garbage need not go through it again and again."""
    gc.collect()
    gc.freeze()


def _left_out(config: pytest.Config) -> set[str]:
    """Folders and modules of tests, from here."""
    quick = config.getoption("--quick")
    stories = quick or config.getoption("--no-stories")
    return set(((_PROCESSES if quick else "") + (_STORIES if stories else "")).split())


def _uses_a_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return (
        item.get_closest_marker("django_db") is not None
        or bool(fixtures & _ON_A_DATABASE)
        or "/acceptance/" in item.nodeid
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Lets fixtures see whether their test failed."""
    report = yield
    setattr(item, f"report_{report.when}", report)
    return report


@pytest.fixture(scope="session", autouse=True)
def _tables_are_emptied_quickly() -> Iterator[None]:
    """After a test of transactions. To truncate forty tables takes PostgreSQL a hundred times as long as to find them
    empty, and the permissions of all models are not made anew, since nothing here takes them away.
    """

    def delete(_style: object, tables: Iterable[str], **_: object) -> list[str]:
        names = (connection.ops.quote_name(table) for table in tables if table not in _STAY)
        statements = [f"DELETE FROM {name}" for name in names]
        return ["; ".join(statements)] if connection.vendor == "postgresql" else statements

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(connection.ops), "sql_flush", staticmethod(delete))
        patched.setattr(flush, "emit_post_migrate_signal", lambda *_, **__: None)
        yield


@pytest.fixture(autouse=True)
def _no_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is noticed is written by a timer's thread, which would outlive the test."""
    from webhooks.receive import noticed

    monkeypatch.setattr(noticed, "_start_timer", lambda: None)
    noticed._uses.clear()
    noticed._new_versions.clear()


@pytest.fixture(autouse=True)
def _no_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark that a test leaves would be written by the next one, whose failures have the same numbers."""
    from webhooks.process import failures

    monkeypatch.setattr(failures, "_announced", [])


@pytest.fixture(autouse=True, scope="session")
def _no_beats() -> Iterator[None]:
    """A process says that it lives from a thread, which would outlive the test; tests let the time pass themselves."""
    from alerts_runtime.leasing import holders

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(holders.Beat, "start", lambda self: None)
        yield


@pytest.fixture(autouse=True)
def _own_holder_and_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of other processes yet, and the time is the test's, not the server's."""
    from alerts_runtime.leasing import clock, holders

    monkeypatch.setattr(holders, "_mine", holders.Beat())
    monkeypatch.setattr(clock, "_database", clock.DatabaseClock())
    monkeypatch.setattr(clock, "measure", lambda: None)


@pytest.fixture
def servers_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is asked for its time, as in production."""
    from alerts_runtime.leasing import clock

    monkeypatch.setattr(clock, "measure", lambda: clock._database.measure())


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The admins have had no mail of any cause: else a test would wait for another's quarter of an hour."""
    from alerts_runtime.isolation import last_resort

    monkeypatch.setattr(last_resort, "_unsaid", {})


@pytest.fixture(autouse=True)
def _no_troubles_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits since it failed: another test's rows have the same numbers."""
    from alerts_runtime.isolation import parts

    monkeypatch.setattr(parts, "_troubles", {})
