"""A kind that is ignored is counted and not told, until its code is another."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from notifier.delivery import tick
from notifier.facts import Frame, Severity
from notifier.flow import ignores, pipeline
from notifier.flow.own_code import code_of
from notifier.models import Alert, Ignored
from tests.notifier.conftest import Configure
from tests.notifier.rows import an_alert
from tests.notifier.scene import HOUR, MINUTE, OUTAGE, Scene, reasons, row_of

pytestmark = pytest.mark.django_db

CODE = """
    class Billing:
        def record(event):
            return event["plan"]

    def other(event):
        return 1
"""


class Code:
    """A module of the site's own that a deploy may change."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop_of_ignored.py"
        self._version = 0
        self.write(CODE)

    def write(self, text: str) -> None:
        self._version += 1
        self.path.write_text(dedent(text) + f"# version {self._version}\n")  # another length, whatever the clock says

        os.utime(self.path, ns=(self._version * 10**9,) * 2)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Code]:
    monkeypatch.syspath_prepend(tmp_path)
    yield Code(tmp_path)
    sys.modules.pop("shop_of_ignored", None)


HERE = Frame("shop_of_ignored.py", 4, "shop_of_ignored", "Billing.record")


def ignore(scene: Scene, alert: Alert) -> Ignored:
    return ignores.ignore(alert, author="ada", now=scene.now)[0]


def test_further_failures_are_counted_and_not_told_until_the_function_changes(scene: Scene, code: Code) -> None:
    alert = scene.alert(frame=HERE)
    assert reasons(scene.deliver()) == ["first"]
    row = ignore(scene, alert)
    assert ignores.until(row) == "until shop_of_ignored.Billing.record changes"
    for _ in range(50):
        scene.fail(frame=HERE)
        assert not scene.pass_time(HOUR, step=HOUR)
    alert.refresh_from_db()
    assert alert.count == 51
    assert row_of(alert).held_words == f"ignored {row.pk}"

    code.write(CODE.replace('["plan"]', '.get("plan")["name"]'))
    assert not scene.pass_time(timedelta(days=2), step=HOUR)  # nothing fails, nothing is told
    scene.fail(frame=HERE)
    (told,) = scene.deliver()
    assert told.message.reason == "update"
    assert "51 more" in told.message.news + told.message.text
    row.refresh_from_db()
    assert (row.ended_how, row.ended_at) == ("shop_of_ignored.Billing.record changed", scene.now)
    alert.refresh_from_db()
    assert alert.ignored_id is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return 1", "return 2"),
        ("class Billing", "# why\n\n    class Billing"),
        ('return event["plan"]', 'return event["plan"]  # KeyError'),
        ('return event["plan"]', "return  event['plan']"),
    ],
    ids=["another function", "moved", "a comment", "a formatter"],
)
def test_what_leaves_the_function_as_it_was_changes_nothing(scene: Scene, code: Code, before: str, after: str) -> None:
    alert = scene.alert(frame=HERE)
    ignore(scene, alert)
    assert before in CODE
    code.write(CODE.replace(before, after))
    scene.fail(frame=HERE)
    assert not scene.deliver()
    assert Ignored.objects.get().ended_at is None


@pytest.mark.parametrize(
    ("before", "after", "told"), [("7", "8", True), ("7", "7", False), ("", "8", False), ("7", "", False)]
)
def test_another_release_ends_it(configure: Configure, scene: Scene, before: str, after: str, told: bool) -> None:
    configure(release=before)
    alert = scene.alert()
    ignore(scene, alert)
    assert not scene.deliver()
    configure(release=after)
    scene.fail()
    assert bool(scene.deliver()) is told
    assert Ignored.objects.get().ended_how == ("release 8" if told else "")


def test_a_kind_stays_ignored_when_its_alert_is_over_and_another_opens(scene: Scene, code: Code) -> None:
    first = scene.alert(frame=HERE)
    scene.deliver()
    row = ignore(scene, first)
    pipeline.resolve(first, "by ada", scene.now)
    assert reasons(scene.deliver()) == ["resolved"]  # whoever heard that it began
    scene.clock.step(timedelta(days=3))
    second = scene.alert(frame=HERE)
    assert second.pk != first.pk
    assert second.ignored_id == row.pk
    assert not scene.pass_time(timedelta(days=3), step=HOUR)
    code.write(CODE.replace('["plan"]', '["price"]'))
    scene.fail(frame=HERE)
    assert reasons(scene.deliver()) == ["first"]


def test_one_that_opens_again_or_gets_worse_is_not_told_either(scene: Scene, code: Code) -> None:
    alert = scene.alert(frame=HERE)
    scene.deliver()
    ignore(scene, alert)
    scene.fail(frame=HERE, will_retry=False)
    alert.refresh_from_db()
    assert alert.severity == Severity.CRITICAL
    pipeline.resolve(alert, "by ada", scene.now)
    scene.clock.step(MINUTE)
    scene.deliver()
    scene.fail(frame=HERE)
    assert not scene.pass_time(HOUR)
    alert.refresh_from_db()
    assert alert.resolved_at is None


def test_other_kinds_are_told(scene: Scene) -> None:
    alert = scene.alert()
    ignore(scene, alert)
    scene.fail(event_type="charge.failed")
    (told,) = scene.deliver()
    assert "charge.failed" in told.message.title


def test_by_hand_it_ends_at_once_and_once(scene: Scene) -> None:
    alert = scene.alert()
    row = ignore(scene, alert)
    assert not scene.deliver()
    assert ignores.end(row, "by ada", scene.now) == 1
    assert ignores.end(row, "by bob", scene.now) == 0
    assert reasons(scene.deliver()) == ["first"]
    assert Ignored.objects.get().ended_how == "by ada"


def test_of_two_who_ignore_the_same_one_is_new(scene: Scene) -> None:
    alert = scene.alert()
    row, new = ignores.ignore(alert, author="ada", now=scene.now)
    again, newer = ignores.ignore(alert, author="bob", now=scene.now)
    assert (new, newer, row.pk) == (True, False, again.pk)
    ignores.end(row, "by ada", scene.now)
    assert ignores.ignore(alert, author="bob", now=scene.now)[1]


def test_an_outage_is_not_told_again_for_failing_elsewhere(scene: Scene, code: Code) -> None:
    alert = scene.alert(frame=HERE, exceptions=OUTAGE)
    ignore(scene, alert)
    scene.fail(frame=Frame("shop_of_ignored.py", 8, "shop_of_ignored", "other"), exceptions=OUTAGE)
    assert Alert.objects.get().count == 2
    assert not scene.deliver()


def test_where_nothing_says_when_its_code_changes_that_is_said(scene: Scene, configure: Configure) -> None:
    row, _ = ignores.ignore(an_alert(frame={}), author="ada", now=scene.now)
    assert ignores.until(row) == "until somebody takes it back: nothing says when its code changes"
    configure(release="7")
    row, _ = ignores.ignore(an_alert(frame={}), author="ada", now=scene.now)
    assert ignores.until(row) == "until another release than 7"


def test_an_alert_that_opened_at_that_very_moment_is_found(scene: Scene) -> None:
    alert = scene.alert()
    row = ignore(scene, alert)
    Alert.objects.update(ignored=None)
    tick.release_outdated(scene.now)
    alert.refresh_from_db()
    assert alert.ignored_id == row.pk


def test_what_has_ended_is_deleted_by_and_by(scene: Scene) -> None:
    ended, kept = ignore(scene, scene.alert()), ignore(scene, scene.alert(event_type="charge.failed"))
    ignores.end(ended, "by ada", scene.now)
    assert ignores.prune(scene.now) == 0
    assert ignores.prune(scene.now + MINUTE) == 1
    assert Ignored.objects.get() == kept


def test_a_secret_in_a_comment_is_not_kept(scene: Scene) -> None:
    row, _ = ignores.ignore(scene.alert(), author="ada", now=scene.now, comment="key sk_live_51Hxxxxxxxxxxxxxxxx\0")
    row.refresh_from_db()
    assert "51H" not in row.comment


# --- What a function says ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "others"),
    [
        ("Billing.record", ["other", "Billing", "<module>"]),
        ("outer.<locals>.inner", ["outer"]),
        ("outer.<locals>.<lambda>", ["outer.<locals>.inner"]),
    ],
)
def test_each_function_has_a_hash_of_its_own(code: Code, function: str, others: list[str]) -> None:
    code.write(CODE + "\n    def outer():\n        def inner(): return 1\n        return lambda: inner()\n")
    found = code_of("shop_of_ignored", function)
    assert len(found) == 64
    assert found not in [code_of("shop_of_ignored", other) for other in others]
    assert code_of("shop_of_ignored", function) == found


@pytest.mark.parametrize(
    ("module", "function"),
    [("gone", "x"), ("", "x"), ("shop_of_ignored", "gone"), ("sys", "exit"), ("a..b", "x"), ("shop_of_ignored.x", "y")],
)
def test_what_cannot_be_read_has_none(code: Code, module: str, function: str) -> None:
    assert code_of(module, function) == ""


def test_a_file_that_is_no_python_has_none(code: Code) -> None:
    code.write("def record(:\n")
    assert code_of("shop_of_ignored", "record") == ""
