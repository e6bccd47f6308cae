"""`manage.py oncall` and `manage.py override`, as somebody types them, and the admin's page."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.test import Client

from notifier.models import Override
from tests.notifier.conftest import Configure
from tests.notifier.oncall.conftest import PAYMENTS, PEOPLE
from tests.notifier.oncall.rotations import utc

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("site")]

NOW = utc("2026-01-06 12:00")


def run(command: str, *arguments: str) -> str:
    out = StringIO()
    with time_machine.travel(NOW, tick=False):
        call_command(command, *arguments, stdout=out, no_color=True)
    return out.getvalue()


def test_oncall_says_who_and_why_in_the_rotations_zone() -> None:
    assert run("oncall") == (
        "payments: Alice is on call until Mon 12 Jan 09:00 CET (shift of layer 1, since Mon 5 Jan 09:00 CET)\n"
    )


def test_oncall_at_a_time_is_meant_in_the_rotations_zone() -> None:
    assert "Alice is on call" in run("oncall", "payments", "--at", "2026-01-12 08:59")
    assert "Bob is on call" in run("oncall", "payments", "--at", "2026-01-12 09:00")
    assert "Alice is on call" in run("oncall", "payments", "--at", "2026-01-12T09:00+02:00")


def test_oncall_says_why_nobody_is() -> None:
    assert run("oncall", "--at", "2026-01-01") == (
        "payments: nobody is on call until Mon 5 Jan 09:00 CET (the rotation has not started)\n"
    )


def test_weeks_are_listed_with_gaps_and_how_fair_they_are(configure: Configure) -> None:
    configure(people=PEOPLE, oncall={"payments": PAYMENTS | {"MEMBERS": ["alice", "bob", None]}})
    assert run("oncall", "--at", "2026-01-05 09:00", "--weeks", "4").splitlines() == [
        "payments (Europe/Berlin)",
        "  Mon 5 Jan 09:00 CET to Mon 12 Jan 09:00: Alice (shift of layer 1)",
        "  Mon 12 Jan 09:00 CET to Mon 19 Jan 09:00: Bob (shift of layer 1)",
        "  Mon 19 Jan 09:00 CET to Mon 26 Jan 09:00: nobody (the turn is of an empty seat)",
        "  Mon 26 Jan 09:00 CET to Mon 2 Feb 09:00: Alice (shift of layer 1)",
        "  shares: Alice 336 h in 2 shifts, 96 h of it at weekends; Bob 168 h in 1 shift, 48 h of it at weekends",
        "  nobody is on call for 168.0 h of it",
    ]


def test_diff_says_who_would_be_on_call_instead_of_whom(configure: Configure, tmp_path: Path) -> None:
    old = tmp_path / "old.py"
    old.write_text(
        f"NOTIFIER = {{'PEOPLE': {PEOPLE!r}, 'ONCALL': {{'payments': {PAYMENTS!r}, 'other': {PAYMENTS!r}}}}}"
    )
    assert run("oncall", "--diff", str(old)) == "payments (Europe/Berlin): nothing changes\nother: gone\n"
    configure(people=PEOPLE, oncall={"payments": PAYMENTS | {"MEMBERS": ["alice", "carol"]}})
    assert run("oncall", "--diff", str(old), "--weeks", "2").splitlines() == [
        "payments (Europe/Berlin): ",
        "  Mon 12 Jan 09:00 CET to Mon 19 Jan 09:00: Carol instead of Bob",
        "other: gone",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["payment"], 'There is no rotation "payment". Did you mean "payments"?'),
        (["--at", "soon"], "--at: Not a time"),
        (["--at", "1960-01-01"], "--at: Who is on call is known"),
        (["--weeks", "0"], "from 1 to 520"),
        (["--diff", "no.such.module"], "The old settings cannot be read: ModuleNotFoundError"),
    ],
)
def test_oncall_refuses_what_it_cannot_answer(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said.replace("--", "")):
        run("oncall", *arguments)


def test_an_override_is_made_listed_and_undone() -> None:
    made = run("override", "payments", "bob", "--from", "18:00", "--for", "4h", "--author", "bob")
    sentence = "Bob is on call for payments from 18:00 CET to 22:00 (Europe/Berlin), instead of Alice."
    row = Override.objects.get()
    assert made == f"Override {row.pk}: {sentence}\n"
    assert run("override", "--list") == f"{row.pk}: {sentence} Made by bob.\n"
    assert "(override" in run("oncall", "--at", "18:30")
    assert run("override", "--undo", str(row.pk), "--author", "alice").startswith("Undone by alice: Bob does not take")
    assert run("override", "--list") == ""
    assert "Alice is on call" in run("oncall", "--at", "18:30")


def test_an_end_is_the_next_such_time_after_the_start() -> None:
    run("override", "payments", "bob", "--from", "2026-01-07 22:00", "--to", "06:00")
    assert Override.objects.get().ends_at == utc("2026-01-08 05:00")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Say what, who and until when"),
        (["payments", "bob"], "until when"),
        (["payment", "bob", "--for", "2h"], 'Did you mean "payments"'),
        (["payments", "bobb", "--for", "2h"], 'Did you mean "bob"'),
        (["payments", "bob", "--to", "2026-01-05 09:00"], "in the past"),
        (["payments", "bob", "--for", "2 moons"], "duration"),
        (["--undo", "99"], "There is no override 99"),
    ],
)
def test_override_refuses_in_a_sentence(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run("override", *arguments)
    assert not Override.objects.exists()


def test_the_admin_makes_and_undoes_overrides_and_changes_none(admin_client: Client) -> None:
    place = "/admin/swa_notifier/override/"
    times = {
        "starts_at_0": "2026-01-06",
        "starts_at_1": "17:00",
        "ends_at_0": "2026-01-06",
        "ends_at_1": "21:00",
    }
    with time_machine.travel(NOW, tick=False):
        assert admin_client.get(f"{place}add/").status_code == 200
        past = times | {"ends_at_0": "2026-01-05", "rotation": "payments", "person": "bob"}
        assert "in the past" in admin_client.post(f"{place}add/", past).content.decode()
        page = admin_client.post(f"{place}add/", times | {"rotation": "payments", "person": "bob"}, follow=True)
        row = Override.objects.get()
        assert "Bob is on call for payments from" in page.content.decode()
        assert (row.author, row.instead_of) == ("admin", "alice")
        assert admin_client.post(f"{place}{row.pk}/change/", times).status_code == 403
        assert admin_client.post(f"{place}{row.pk}/delete/", {"post": "yes"}).status_code == 403
        admin_client.post(place, {"action": "undo", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert row.undone_by == "admin"
