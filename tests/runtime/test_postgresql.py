"""What the server has prepared outlives a rollback; a rollback still undoes, and one that fails still raises."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's; set TEST_DATABASE_URL"),
    pytest.mark.django_db(transaction=True),
]


def prepared() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%auth_group%'")
        return int(cursor.fetchone()[0])


def ask_often() -> None:
    for _ in range(10):
        Group.objects.filter(name="nobody").exists()


def test_what_is_asked_often_is_prepared_and_stays_so_after_a_rollback() -> None:
    ask_often()
    before = prepared()
    assert before
    with transaction.atomic():
        Group.objects.create(name="undone")
        transaction.set_rollback(True)
    ask_often()
    assert prepared() >= before
    assert not Group.objects.filter(name="undone").exists()


def test_a_transaction_that_failed_is_undone() -> None:
    Group.objects.create(name="one")
    with pytest.raises(IntegrityError), transaction.atomic():
        Group.objects.bulk_create([Group(name="another"), Group(name="one")])
    assert list(Group.objects.values_list("name", flat=True)) == ["one"]


def test_a_table_that_a_rollback_took_away_and_that_is_made_anew_is_found() -> None:
    for columns, expected in (("a integer", 1), ("b text, a integer", 1)):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE for_a_moment ({columns})")
            cursor.execute("INSERT INTO for_a_moment (a) VALUES (1)")
            for _ in range(10):
                cursor.execute("SELECT a FROM for_a_moment WHERE a = %s", [1])
                assert cursor.fetchone() == (expected,)
            transaction.set_rollback(True)


def test_a_connection_that_was_lost_is_noticed_in_a_transaction() -> None:
    with pytest.raises((OperationalError, InterfaceError)), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert not Group.objects.exists()  # on a new one


def test_a_rollback_is_among_the_queries_that_are_captured() -> None:
    with CaptureQueriesContext(connection) as asked, transaction.atomic():
        Group.objects.count()
        transaction.set_rollback(True)
    assert asked.captured_queries[-1]["sql"] == "ROLLBACK"
