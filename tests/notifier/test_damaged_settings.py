"""NOTIFIER, right but for one place: it is told with its place, and nothing that was written there is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limit
from hypothesis import strategies as st
from pytest_django import Settings

from notifier.checks import check_notifier
from notifier.config import coverage, event_types
from notifier.config.conf import parse
from notifier.config.problems import Problem
from tests.damage import ALL, NEVER_RIGHT, SECRET, misspelt, places, with_value
from tests.notifier.test_conf import CREDENTIALS, EXAMPLE

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CHANNELS: dict[str, dict[str, Any]] = EXAMPLE["CHANNELS"]
OPTIONS = {
    "slack": {"timeout": 5, "teams": ["T0123ABCD"], "channels": "C0123ABCD", "signing_secret": "made-up"},
    "oncall": {"from": "+15005550006", "links": True, "validity_period": 600},
}
TABLE: dict[str, Any] = EXAMPLE | {
    "CHANNELS": CHANNELS | {alias: CHANNELS[alias] | {"OPTIONS": options} for alias, options in OPTIONS.items()}
}
PLACES = list(places(TABLE))
KEYS = [place for place in PLACES if place and isinstance(place[-1], str)]
# Whatever stands there as a key is a name that the site has chosen.
FREE = {("CLASSIFY", 0, "match", "context"), ("DIGESTS",), ("QUIET_HOURS",), ("ONCALL",)}


def told(table: object) -> list[Problem]:
    """What the checks say of it. The same policy is what everything else reads."""
    policy, problems = parse(table, CREDENTIALS.get)
    found = [*problems]
    if policy:
        found += [*coverage.problems(policy, table, NOW), *event_types.doubts(policy, table)]
    assert policy is not None or any(problem.level == "error" for problem in found)
    return found


BEFORE = set(map(str, told(TABLE)))


def path(place: tuple[Any, ...]) -> str:
    return "NOTIFIER" + "".join(f"[{part}]" if isinstance(part, int) else f'["{part}"]' for part in place)


def new(table: object) -> list[Problem]:
    return [problem for problem in told(table) if str(problem) not in BEFORE]


@limit(max_examples=150)
@given(st.sampled_from(PLACES), st.sampled_from(sorted(ALL)))
def test_nothing_makes_the_checks_raise_or_tell_a_secret(place: tuple[Any, ...], damage: str) -> None:
    found = told(with_value(TABLE, place, ALL[damage]()))
    assert all(problem.path.startswith("NOTIFIER") and problem.text for problem in found)
    assert SECRET not in " ".join(map(str, found))


@limit(max_examples=150)
@given(st.sampled_from(PLACES), st.sampled_from(sorted(NEVER_RIGHT)))
def test_what_is_right_nowhere_is_told_with_its_place(place: tuple[Any, ...], damage: str) -> None:
    found = new(with_value(TABLE, place, NEVER_RIGHT[damage]()))
    here = path(place)
    assert [one for one in found if one.path.startswith(here) or here.startswith(one.path)], found


@limit(max_examples=60)
@given(st.sampled_from([place for place in KEYS if place[:-1] not in FREE]))
def test_a_key_that_is_misspelt_is_told(place: tuple[Any, ...]) -> None:
    assert new(misspelt(TABLE, place))


@pytest.mark.parametrize("damage", sorted(ALL))
@pytest.mark.parametrize(
    "name", ["SLACK_BOT_TOKEN", "SLACK_API_URL", "SLACK_APP_TOKEN", "TWILIO_AUTH_TOKEN", "TWILIO_INBOUND"]
)
def test_a_credential_that_is_no_text_is_told_by_its_name(name: str, damage: str, settings: Settings) -> None:
    for one, value in CREDENTIALS.items():
        setattr(settings, one, value)
    settings.NOTIFIER = {
        "CHANNELS": {"s": {"BACKEND": "slack", "TO": "#a"}, "o": {"BACKEND": "sms", "TO": "+14155552671"}},
        "ROUTES": {"*": ["s", "o"]},
    }
    setattr(settings, name, ALL[damage]())
    said = " ".join(map(str, check_notifier()))
    assert SECRET not in said
    if damage in NEVER_RIGHT:
        assert name in said
