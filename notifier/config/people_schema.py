"""PEOPLE and ONCALL as people write them, for pydantic."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    StringConstraints,
    Tag,
    ValidationInfo,
)

from notifier.config.fields import Hours, Many, Name, Some, Text, Tz, number, one_line, parsed
from notifier.config.problems import unknown
from notifier.config.shape import Lower, Upper
from notifier.judge.oncall.rotation import Slot, parse_handover

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,49}")
_SLACK_ID = re.compile(r"[UW][A-Z0-9]{2,30}")
_SLACK_GROUP = re.compile(r"S[A-Z0-9]{2,30}")
_FIRST_YEAR, _LAST_YEAR = 2000, 2199


def _key(name: str) -> str:
    if not _KEY.fullmatch(name):
        raise ValueError("not a name for settings and commands: write a letter, then up to 49 letters, digits, - or _")
    return name


def _slack_id(text: str) -> str:
    if text and not _SLACK_ID.fullmatch(text):
        raise ValueError('not a Slack user id: write such as "U0123ABCD", which their profile shows as the member ID')
    return text


def _slack_group(text: str) -> str:
    if text and not _SLACK_GROUP.fullmatch(text):
        raise ValueError('not the id of a user group: write such as "S0123ABCD", with which its address in Slack ends')
    return text


def _person(name: str, info: ValidationInfo) -> str:
    known: Collection[str] | None = (info.context or {}).get("people")
    if known is not None and name not in known:
        raise unknown("person", name, known, "" if known else 'NOTIFIER["PEOPLE"] has nobody.')
    return name


def _member(value: object, info: ValidationInfo) -> object:
    """A seat may be written as its person alone, or as None when it is empty."""
    if value is None:
        return {"person": None}
    return {"person": _person(value, info)} if isinstance(value, str) else value


def _day(value: object) -> date:
    if isinstance(value, datetime) or not isinstance(value, str | date):
        raise ValueError('not a date: write such as "2026-01-05"')
    try:
        found = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError('not a date: write such as "2026-01-05"') from None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise ValueError(f"out of reach: write a year from {_FIRST_YEAR} to {_LAST_YEAR}")
    return found


@dataclass(frozen=True, slots=True)
class OnCall:
    """Instead of an address: whoever is on call in a rotation."""

    rotation: str


def _recipient(value: object, info: ValidationInfo) -> str | OnCall:
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping) or list(value) != ["oncall"] or not isinstance(value["oncall"], str):
        raise ValueError(
            'must be a text or name a rotation: write an address in quotes, or {"oncall": "the name of a rotation"}'
        )
    name = value["oncall"]
    known: Collection[str] | None = (info.context or {}).get("rotations")
    if known is not None and name not in known:
        raise unknown("rotation", name, known, "" if known else 'NOTIFIER["ONCALL"] has none.')
    return OnCall(name)


def _calendar(text: str) -> str:
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    if scheme == "webcal":
        return f"https://{text.partition('://')[2]}"
    if scheme not in ("https", "http", "") or not text.strip():
        raise ValueError("not a calendar: write an https address, or the path of an .ics file")
    return text


RecipientEntry = Annotated[str | OnCall, PlainValidator(_recipient)]
Key = Annotated[Text, AfterValidator(_key)]
PersonName = Annotated[Text, AfterValidator(_person)]
Day = Annotated[date, PlainValidator(_day)]
Handovers = Annotated[tuple[Slot, ...], parsed(parse_handover)]


class PersonEntry(Upper):
    name: Name | None = None
    addresses: dict[Text, Annotated[Text, StringConstraints(min_length=1, max_length=200)]] = Field(
        default_factory=dict
    )
    slack_id: Annotated[Text, AfterValidator(_slack_id)] = ""
    tz: Tz | None = None
    user: Annotated[Text, Field(max_length=150), one_line] = ""


class MemberEntry(Lower):
    person: PersonName | None
    since: Day | None = Field(default=None, alias="from")
    until: Day | None = None


class LayerEntry(Upper):
    handover: Some[Handovers]
    every: Annotated[int, Field(ge=1, le=52), number] = 1
    start: Day
    members: Some[Annotated[MemberEntry, BeforeValidator(_member)]]
    hours: Many[Hours] = ()
    days_off_take_turn: bool = False
    tz: Tz | None = None


class NamedLayerEntry(LayerEntry):
    name: Name | None = None


class Notes(Upper):
    """What a rotation's people are told by themselves."""

    handover_message: bool = True
    handover_test: bool = False
    day_before: bool = False
    slack_group: Annotated[str, AfterValidator(_slack_group)] = ""


class OneLayerEntry(LayerEntry, Notes):
    """A rotation of one layer, without a name for it."""


class LayersEntry(Notes):
    layers: Some[NamedLayerEntry]
    tz: Tz | None = None


class CalendarEntry(Notes):
    """A rotation that is read from a calendar."""

    ics: Annotated[Text, AfterValidator(_calendar)]
    allow_private: bool = False
    tz: Tz | None = None


def _form(value: object) -> str:
    keys = value if isinstance(value, Mapping) else ()
    return "layers" if "LAYERS" in keys else "calendar" if "ICS" in keys else "one"


RotationEntry = Annotated[
    Annotated[OneLayerEntry, Tag("one")]
    | Annotated[LayersEntry, Tag("layers")]
    | Annotated[CalendarEntry, Tag("calendar")],
    Discriminator(_form),
]


def rotation_keys(loc: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand at a place of ONCALL."""
    if "MEMBERS" in loc:
        return ["person", "from", "until"]
    if "calendar" in loc:
        return [name.upper() for name in CalendarEntry.model_fields]
    model = NamedLayerEntry if "LAYERS" in loc else OneLayerEntry
    return [*(name.upper() for name in model.model_fields), *(() if "LAYERS" in loc else ("LAYERS", "ICS"))]
