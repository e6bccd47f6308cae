"""WEBHOOKS, right but for one place: it is told with its place, no secret is shown, and what is read still works."""

from __future__ import annotations

from typing import Any

from django.test import override_settings
from hypothesis import given
from hypothesis import settings as limit
from hypothesis import strategies as st

from tests.damage import ALL, NEVER_RIGHT, SECRET, misspelt, places, with_value
from webhooks.checks import check_webhooks
from webhooks.conf import config

TABLE: dict[str, Any] = {
    "ENDPOINTS": {
        "default": {"SECRETS": ["whsec_1", "whsec_2"], "TOLERANCE": 300, "MODE": "worker", "LIVEMODE": True},
        "connect": {"SECRETS": "whsec_3", "API_VERSION": "2026-10-28.endive"},
    },
    "MODE": "worker",
    "MESSAGES": "full",
    "TOLERANCE": 300,
    "MAX_BODY": 5000,
    "HANDLER_TIMEOUT": 900,
    "RETENTION_DAYS": 90,
    "RETRY": {"ATTEMPTS": 4, "TRANSIENT_DAYS": 3, "FIRST_DELAY": 10, "TRANSIENT": ["builtins.KeyError"]},
}
PLACES = list(places(TABLE))
KEYS = [place for place in PLACES if place and isinstance(place[-1], str) and place[:-1] != ("ENDPOINTS",)]


def told(table: object) -> str:
    with override_settings(WEBHOOKS=table):
        found = check_webhooks()
        config()  # reads whatever is there
    return " ".join(f"{message.msg} {message.hint}" for message in found)


def path(place: tuple[Any, ...]) -> str:
    return "WEBHOOKS" + "".join(f"[{part!r}]" for part in place)


def test_the_table_as_it_stands_has_no_problem() -> None:
    assert told(TABLE) == ""


@limit(max_examples=150)
@given(st.sampled_from(PLACES), st.sampled_from(sorted(ALL)))
def test_nothing_makes_the_checks_raise_or_tell_a_secret(place: tuple[Any, ...], damage: str) -> None:
    assert SECRET not in told(with_value(TABLE, place, ALL[damage]()))


@limit(max_examples=150)
@given(st.sampled_from(PLACES), st.sampled_from(sorted(NEVER_RIGHT)))
def test_what_is_right_nowhere_is_told_with_its_place(place: tuple[Any, ...], damage: str) -> None:
    said = told(with_value(TABLE, place, NEVER_RIGHT[damage]())).replace('"', "'")
    assert path(place) in said or path(place[:-1]) in said


@limit(max_examples=60)
@given(st.sampled_from(KEYS))
def test_a_key_that_is_misspelt_is_told(place: tuple[Any, ...]) -> None:
    assert "Did you mean" in told(misspelt(TABLE, place)) or "has no signing secret" in told(misspelt(TABLE, place))
