from __future__ import annotations

import pytest

from notifier.judge.oncall.people import Person, by_address, by_slack_id

ANN = Person("ann", "Ann", {"oncall": "+4915112345678", "email": "ann@example.com"}, "U1", "Europe/Berlin", "ann")
BEN = Person("ben", "Ben")


@pytest.mark.parametrize(
    ("alias", "kind", "found"),
    [
        ("oncall", "sms", "+4915112345678"),
        ("other", "sms", ""),  # an alias is one channel; a kind is all of them
        ("team", "email", "ann@example.com"),
        ("alerts", "slack", "U1"),
        ("hook", "slack_webhook", ""),  # a webhook posts to its own channel alone
    ],
)
def test_where_a_channel_finds_a_person(alias: str, kind: str, found: str) -> None:
    assert ANN.address_on(alias, kind) == found
    assert BEN.address_on(alias, kind) == ""


def test_who_answers_is_known_by_what_the_channel_tells_of_them() -> None:
    people = [BEN, ANN]
    assert by_slack_id(people, "U1") is by_address(people, "+4915112345678") is ANN
    assert by_slack_id(people, "U2") is by_address(people, "+1") is None


def test_what_is_empty_recognises_nobody() -> None:
    assert by_slack_id([BEN], "") is by_address([BEN], "") is None


def test_an_address_is_not_shown_with_its_person() -> None:
    assert "example.com" not in repr(ANN)
