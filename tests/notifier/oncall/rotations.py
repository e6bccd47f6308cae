"""Rotations that the tests of the on-call package share, and hypothesis's ways to make more."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from hypothesis import strategies as st

from notifier.judge.calendar import QuietHours, parse_quiet
from notifier.judge.oncall.rotation import Layer, Member, Override, Rotation, Slot

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # changes at midnight, in the other half of the year
    "Australia/Lord_Howe",  # by half an hour
    "Asia/Kolkata",  # never
    "Africa/Casablanca",  # twice around Ramadan
)
DAILY = tuple(Slot(day, time(9)) for day in range(7))
MONDAY = (Slot(0, time(9)),)
START = date(2026, 1, 5)  # a Monday


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def layer(
    *people: str | Member,
    tz: str = "Europe/Berlin",
    handovers: tuple[Slot, ...] = MONDAY,
    start: date = START,
    every: int = 1,
    hours: tuple[str, ...] = (),
    days_off_take_turn: bool = False,
    name: str = "main",
) -> Layer:
    members = tuple(one if isinstance(one, Member) else Member(one) for one in people)
    rules = tuple(parse_quiet(text, tz) for text in hours)
    return Layer(name, tz, start, handovers, members, every, rules, days_off_take_turn)


def rotation(*layers: Layer, tz: str = "Europe/Berlin") -> Rotation:
    return Rotation("payments", tz, layers)


times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
slots = st.lists(st.builds(Slot, st.integers(0, 6), times), min_size=1, max_size=8, unique=True).map(
    lambda found: tuple(sorted(found))
)
days = st.dates(date(2025, 12, 1), date(2027, 3, 1))
members = st.lists(
    st.builds(Member, st.sampled_from(["ann", "ben", "cem", "dia", ""]), st.none() | days, st.none() | days),
    min_size=1,
    max_size=6,
).map(tuple)
weeks = st.integers(1, 3)


def hours_in(tz: str) -> st.SearchStrategy[tuple[QuietHours, ...]]:
    rule = st.builds(QuietHours, st.frozensets(st.integers(0, 6), min_size=1), times, times, st.just(tz))
    return st.lists(rule, max_size=2).map(tuple)


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    tz = draw(st.sampled_from(ZONES))
    return Layer(
        draw(st.sampled_from(["day", "night"])),
        tz,
        draw(st.dates(date(2026, 1, 1), date(2026, 2, 1))),
        draw(slots),
        draw(members),
        draw(weeks),
        draw(hours_in(tz)),
        draw(st.booleans()),
    )


instants = st.integers(0, 5 * 366 * 24 * 60).map(lambda minutes: utc("2026-01-01") + timedelta(minutes=minutes))


@st.composite
def overrides(draw: st.DrawFn) -> list[Override]:
    periods = draw(st.lists(st.tuples(instants, instants, st.sampled_from(["eve", "fay"])), max_size=3))
    return [
        Override(number, "payments", person, min(one, two), max(one, two))
        for number, (one, two, person) in enumerate(periods)
        if one != two
    ]


rotations = st.builds(
    Rotation, st.just("payments"), st.just("UTC"), st.lists(layers(), min_size=1, max_size=3).map(tuple)
)
