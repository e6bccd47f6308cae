"""A rotation as frozen values: when it is handed over, who takes turns, and which periods others take over. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time

from notifier.judge.calendar import QuietHours, parse_at, parse_days, zone


@dataclass(frozen=True, slots=True)
class Member:
    """A seat in the order of turns. Whether somebody has it is decided by the local date of each handover."""

    person: str  # key of PEOPLE; "" is an empty seat: nobody is on call in its turns
    since: date | None = None  # the first day on which a shift of theirs may begin
    until: date | None = None  # the last such day

    def sits_on(self, day: date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """A handover in the week, in local time."""

    weekday: int  # 0 is Monday
    at: time


@dataclass(frozen=True, slots=True)
class Layer:
    """Members who take turns from handover to handover, perhaps only during some hours.

    With `every` above 1 handovers happen in each n-th week only, counted from the week of `start`. A shift that has
    none of the layer's hours is nobody's turn, unless `days_off_take_turn`.
    """

    name: str
    tz: str
    start: date  # the first member's first shift begins with the first handover on or after this day
    handovers: tuple[Slot, ...]
    members: tuple[Member, ...]
    every: int = 1  # weeks
    hours: tuple[QuietHours, ...] = ()  # when the layer applies; () is always
    days_off_take_turn: bool = False

    def __post_init__(self) -> None:
        zone(self.tz)
        if not self.handovers or list(self.handovers) != sorted(set(self.handovers)) or self.every < 1:
            raise ValueError("a layer needs handovers, each once and in the order of the week, every 1 or more weeks")


@dataclass(frozen=True, slots=True)
class Rotation:
    """Layers, the last of which counts wherever it has somebody; elsewhere the one before it, and so on."""

    name: str
    tz: str  # in which its times are shown
    layers: tuple[Layer, ...]
    handover_message: bool = True  # whoever comes on call gets a note, with what is open
    handover_test: bool = (
        False  # whoever comes on call has to answer a test page; else whoever was on call before is told
    )
    day_before: bool = False  # people get a note the day before their shift
    slack_group: str = ""  # the id of a user group in Slack that has whoever is on call as its member
    ics: str = ""  # instead of layers: the address or the file of a calendar, whose events are the shifts
    allow_private: bool = False  # that address may be in a private network

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody who has a seat, each once."""
        seats = (member.person for layer in self.layers for member in layer.members)
        return tuple(dict.fromkeys(person for person in seats if person))


@dataclass(frozen=True, slots=True)
class Override:
    """A period, start <= t < end, for which a person is on call whatever the layers say."""

    id: int  # where two overlap the higher id counts, which was made later; below 0: an event of a calendar
    rotation: str
    person: str
    start: datetime
    end: datetime


_HANDOVER_EXAMPLE = 'write days and a time such as "Mon 09:00", "Mon,Thu 09:00", or "09:00" for every day'


def parse_handover(text: str) -> tuple[Slot, ...]:
    """The handovers that a text such as "Mon-Fri 09:00" stands for.

    Raises ValueError, whose text can be shown and does not repeat what was given.
    """
    *days, at = text.split() or [""]
    if len(days) > 1:
        raise ValueError(f"not a handover: {_HANDOVER_EXAMPLE}")
    weekdays = parse_days(days[0]) if days else range(7)
    return tuple(Slot(weekday, parse_at(at)) for weekday in sorted(weekdays))
