"""PEOPLE and ONCALL as written -> people and rotations; what is wrong with them, where, and what to write."""

from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest

from notifier.config.conf import parse
from notifier.judge.calendar import QuietHours
from notifier.judge.oncall.people import Person
from notifier.judge.oncall.rotation import Layer, Member, Rotation, Slot
from notifier.judge.policy import Policy

ONCALL: dict[str, Any] = {"HANDOVER": "Mon 09:00", "START": "2026-01-05", "MEMBERS": ["ann"]}


def table(people: object = None, **rotation: object) -> dict[str, Any]:
    return {
        "TZ": "Europe/Berlin",
        "CHANNELS": {"pager": {"BACKEND": "sms", "TO": "+14155552671"}},
        "PEOPLE": {"ann": {}, "ben": {}} if people is None else people,
        "ONCALL": {"payments": ONCALL | rotation},
    }


def read(raw: object) -> Policy:
    policy, problems = parse(raw)
    assert policy is not None, problems
    return policy


def said(raw: object) -> list[str]:
    return [str(problem) for problem in parse(raw)[1] if problem.level == "error" and problem.id != "E005"]


def test_a_person_is_read_and_their_key_is_their_name() -> None:
    ann = {"NAME": "Ann", "ADDRESSES": {"pager": "+14155552672"}, "SLACK_ID": "U0123", "TZ": "Asia/Tokyo", "USER": "a"}
    people = read(table({"ann": ann, "ben": {}})).people
    assert people["ann"] == Person("ann", "Ann", {"pager": "+14155552672"}, "U0123", "Asia/Tokyo", "a")
    assert people["ben"] == Person("ben", "ben")


def test_a_rotation_of_one_layer_is_read() -> None:
    members = ["ann", None, {"person": "ben", "from": "2026-02-02", "until": date(2026, 3, 1)}]
    raw = table(MEMBERS=members, HANDOVER=["Fri 17:00", "Mon 09:00"], EVERY=2, HOURS="Mon-Fri 09:00-17:00")
    layer = Layer(
        "layer 1",
        "Europe/Berlin",
        date(2026, 1, 5),
        (Slot(0, time(9)), Slot(4, time(17))),
        (Member("ann"), Member(""), Member("ben", date(2026, 2, 2), date(2026, 3, 1))),
        2,
        (QuietHours(frozenset(range(5)), time(9), time(17), "Europe/Berlin"),),
    )
    assert read(raw).rotations == {"payments": Rotation("payments", "Europe/Berlin", (layer,))}


def test_layers_have_names_and_zones_of_their_own() -> None:
    raw = table()
    raw["ONCALL"] = {"all": {"TZ": "UTC", "LAYERS": [ONCALL, ONCALL | {"NAME": "east", "TZ": "Asia/Tokyo"}]}}
    found = read(raw).rotations["all"]
    assert [(layer.name, layer.tz) for layer in found.layers] == [("layer 1", "UTC"), ("east", "Asia/Tokyo")]


@pytest.mark.parametrize(
    ("text", "weekdays"), [("09:00", range(7)), ("Mon,Thu 09:00", [0, 3]), ("Fri-Mon 09:00", [0, 4, 5, 6])]
)
def test_a_handover_names_days_or_means_every_day(text: str, weekdays: list[int]) -> None:
    layer = read(table(HANDOVER=text)).rotations["payments"].layers[0]
    assert layer.handovers == tuple(Slot(day, time(9)) for day in weekdays)


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        (
            {"MEMBERS": ["an"]},
            'NOTIFIER["ONCALL"]["payments"]["MEMBERS"][0]: there is no person "an". Did you mean "ann"?',
        ),
        (
            {"MEMBERS": [{"person": "cem"}]},
            'NOTIFIER["ONCALL"]["payments"]["MEMBERS"][0]["person"]: there is no person "cem". Known are: ann, ben.',
        ),
        (
            {"MEMBERS": [{"person": "ann", "since": "2026-01-01"}]},
            'NOTIFIER["ONCALL"]["payments"]["MEMBERS"][0]: there is no key "since". Known are: from, person, until.',
        ),
        ({"MEMBERS": []}, 'NOTIFIER["ONCALL"]["payments"]["MEMBERS"]: must not be empty.'),
        (
            {"MEMBERS": [{"person": "ann", "from": "2026-02-01", "until": "2026-01-01"}]},
            'NOTIFIER["ONCALL"]["payments"]["MEMBERS"][0]: ends before it begins. Write "from" before "until".',
        ),
        (
            {"HANDOVER": "monday 9"},
            'NOTIFIER["ONCALL"]["payments"]["HANDOVER"]: not a day of the week (Mon, Tue, Wed, Thu, Fri, Sat, Sun).',
        ),
        (
            {"START": "5.1.2026"},
            'NOTIFIER["ONCALL"]["payments"]["START"]: not a date. Write such as "2026-01-05".',
        ),
        ({"START": "0026-01-05"}, 'NOTIFIER["ONCALL"]["payments"]["START"]: out of reach. Write a year from 2000'),
        ({"EVERY": 0}, 'NOTIFIER["ONCALL"]["payments"]["EVERY"]: must be greater than or equal to 1.'),
        ({"TZ": "Berlin"}, 'NOTIFIER["ONCALL"]["payments"]["TZ"]: there is no time zone "Berlin"'),
        ({"MEMBER": []}, 'NOTIFIER["ONCALL"]["payments"]: there is no key "MEMBER". Did you mean "MEMBERS"?'),
        ({"LAYERS": []}, 'NOTIFIER["ONCALL"]["payments"]["LAYERS"]: must not be empty.'),
    ],
)
def test_what_is_wrong_with_a_rotation_is_said_with_its_place(rotation: dict[str, object], expected: str) -> None:
    assert any(text.startswith(expected) for text in said(table(**rotation))), said(table(**rotation))


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        (
            {"ann": {"ADDRESSES": {"pagr": "+14155552671"}}},
            'NOTIFIER["PEOPLE"]["ann"]["ADDRESSES"]["pagr"]: there is no channel "pagr". Did you mean "pager"?',
        ),
        ({"ann": {"ADDRESSES": {"pager": "0151"}}}, 'NOTIFIER["PEOPLE"]["ann"]["ADDRESSES"]["pager"]: '),
        ({"ann": {"SLACK_ID": "@ann"}}, 'NOTIFIER["PEOPLE"]["ann"]["SLACK_ID"]: not a Slack user id. Write such as'),
        ({"ann": {"MAIL": "x"}}, 'NOTIFIER["PEOPLE"]["ann"]: there is no key "MAIL".'),
        ({"ann": {}, "b c": {}}, 'NOTIFIER["PEOPLE"]["b c"]: not a name for settings and commands. Write a letter'),
        (
            {"ann": {"USER": "x"}, "ben": {"USER": "x"}},
            'NOTIFIER["PEOPLE"]["ben"]["USER"]: is also that of "ann", so an answer could be of either.',
        ),
        (
            {"ann": {"ADDRESSES": {"sms": "+14155552671"}}, "ben": {"ADDRESSES": {"sms": "+14155552671"}}},
            'NOTIFIER["PEOPLE"]["ben"]["ADDRESSES"]["sms"]: is also that of "ann"',
        ),
    ],
)
def test_what_is_wrong_with_a_person_is_said_with_its_place(people: dict[str, object], expected: str) -> None:
    assert any(text.startswith(expected) for text in said(table(people))), said(table(people))


def test_a_mistake_in_people_does_not_make_every_member_unknown() -> None:
    assert [text.partition(":")[0] for text in said(table({"ann": {"MAIL": 1}}))] == ['NOTIFIER["PEOPLE"]["ann"]']


def test_no_address_is_shown_with_what_is_wrong_with_it() -> None:
    assert "0151234" not in str(said(table({"ann": {"ADDRESSES": {"pager": "0151234"}}})))
