"""Every command: its help, and how it ends when it cannot do what it is asked, or nobody listens any more."""

from __future__ import annotations

import os
import shlex
import signal
from io import StringIO
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandError, OutputWrapper, SystemCheckError
from django.db import DatabaseError
from pytest_django import Settings

from alerts_runtime.management.command import PlainCommand, user
from alerts_runtime.management.database import DatabaseCommand

OURS = sorted(
    name for name, app in get_commands().items() if app in ("alerts_runtime", "webhooks", "notifier") and name
)
BIG = "9" * 30


def run(name: str, *arguments: str) -> str:
    """As from the command line: the parser reads the arguments, and the database may be asked."""
    loaded = load_command_class(get_commands()[name], name)
    out = StringIO()
    parser = loaded.create_parser("manage.py", name)
    options = vars(parser.parse_args(list(arguments)))
    options.pop("args", None)
    loaded.execute(**options | {"stdout": out, "stderr": out, "skip_checks": True})
    return out.getvalue()


@pytest.mark.parametrize("name", OURS)
def test_its_help_has_examples_that_it_understands(name: str) -> None:
    loaded = load_command_class(get_commands()[name], name)
    assert isinstance(loaded, PlainCommand)
    assert loaded.help.endswith(".")
    assert loaded.examples
    parser = loaded.create_parser("manage.py", name)
    for example in loaded.examples:
        parser.parse_args(shlex.split(example))
        assert f"  manage.py {name} {example}".rstrip() in parser.format_help().splitlines()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"ack {BIG}", "is not a whole number"),
        ("ack 0", "is not a whole number"),
        (f"silence --end {BIG}", "is not a whole number"),
        (f"override --undo {BIG}", "is not a whole number"),
        (f"route --event invoice.paid --exception KeyError --attempt {BIG}", "from 1 to 1000"),
        ("route --event invoice.paid --exception KeyError --attempt -1", "from 1 to 1000"),
        (f"prune --days {BIG}", "from 0 to 36500"),
        ("prune --days -1", "from 0 to 36500"),
        ("oncall --weeks 0", "from 1 to 520"),
        ("replay --rehearse --limit -3", "is not a whole number"),
        ("send_test --wait nan", "is not a number of seconds"),
        ("worker --stop-timeout -1", "is not a number of seconds"),
        ("serve --port 99999", "from 1 to 65535"),
        ("serve --threads 0", "from 1 to 1000"),
        ("trigger invoice.paid --count -1", "is not a whole number"),
    ],
)
def test_a_number_that_cannot_be_is_refused_by_the_parser(line: str, says: str) -> None:
    with pytest.raises(CommandError, match="Error: argument") as refused:
        run(*shlex.split(line))
    assert says in str(refused.value)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"silence --for 1h --match '{{\"a\": {'[' * 100_000}'", "--match is not JSON"),
        ("trigger invoice.paid --amount 1e999999", "is not an amount"),
        ("trigger invoice.paid --amount nan", "is not an amount"),
        ("trigger invoice.paid --amount=-5", "is not an amount"),
        ("route --event invoice.paid --exception KeyError --at 9999-12-31T23:59:59+00:00", "--at: write a year"),
        (f"route --event {'x' * 5000} --exception KeyError", "is missing or not a Stripe name"),
        ("override payments bob --for 2h", "There are none."),
        ("oncall_calendar payments", "There are none."),
    ],
)
def test_what_cannot_be_done_is_a_sentence(line: str, says: str) -> None:
    with pytest.raises(CommandError) as refused:
        run(*shlex.split(line))
    assert says in str(refused.value)


def checked(name: str, *arguments: str) -> str:
    """The same, with the checks that a command runs first."""
    loaded = load_command_class(get_commands()[name], name)
    out = StringIO()
    loaded.stderr = OutputWrapper(out)
    options = vars(loaded.create_parser("manage.py", name).parse_args(list(arguments)))
    loaded.execute(**options | {"stdout": out, "args": ()})
    return out.getvalue()


CHANNELS = {"slack": {"BACKEND": "slack", "TO": "#payments"}, "team": {"BACKEND": "email", "TO": "nobody"}}


@pytest.mark.django_db
def test_a_channel_without_credentials_is_said_and_stops_no_command(settings: Settings) -> None:
    """Else a token that is lost when a worker restarts would take all the other channels with it."""
    settings.NOTIFIER = {"CHANNELS": CHANNELS, "ROUTES": {"*": ["slack", "team"]}}
    assert "notifier.E005" in checked("silence", "--list")
    assert "notifier.E004" in checked("silence", "--list")


@pytest.mark.django_db
def test_a_mistake_in_the_table_stops_every_command(settings: Settings) -> None:
    settings.NOTIFIER = {"CHANNELS": CHANNELS, "ROUTES": {"*": ["slck"]}}
    with pytest.raises(SystemCheckError, match=r"notifier\.E002"):
        checked("silence", "--list")


@pytest.mark.django_db
def test_an_age_before_all_dates_is_all_time() -> None:
    assert run("replay", "--since", "999999w") == "Nothing matches.\n"


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name in OURS if name not in ("serve", "trigger", "notifier_setup")])
def test_a_database_that_is_none_is_a_sentence(name: str) -> None:
    loaded = load_command_class(get_commands()[name], name)
    assert isinstance(loaded, DatabaseCommand)

    def fail(**_: Any) -> None:
        raise DatabaseError("file is not a database")

    loaded.handle = fail  # type: ignore[method-assign]
    arguments = loaded.create_parser("manage.py", name).parse_args(shlex.split(loaded.examples[0]))
    with pytest.raises(CommandError, match="The database cannot be used: file is not a database"):
        loaded.execute(**vars(arguments) | {"skip_checks": True, "args": ()})


class Stopped(PlainCommand):
    requires_system_checks: list[str] = []

    def handle(self, **_: Any) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_is_a_word_and_the_code_of_shells() -> None:
    with pytest.raises(CommandError, match="Stopped") as stopped:
        Stopped().execute(**vars(Stopped().create_parser("manage.py", "x").parse_args([])), args=())
    assert stopped.value.returncode == 128 + signal.SIGINT


def test_somebody_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number that no file of users has."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(_: int) -> Any:
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert user() == f"user {os.getuid()}"
