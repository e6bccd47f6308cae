from __future__ import annotations

import pytest

from notifier.judge.oncall.when import parse_when
from tests.notifier.oncall.rotations import utc

NOW = utc("2026-03-28 23:30")  # half past midnight in Berlin; the clocks go forward at two


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-03-28 23:30"),
        ("2026-01-05 18:00", "2026-01-05 17:00"),
        ("2026-01-05T18:00+05:30", "2026-01-05 12:30"),
        ("2026-01-05", "2026-01-04 23:00"),
        ("09:00", "2026-03-29 07:00"),
        ("00:30", "2026-03-29 22:30"),  # the next one: it is half past midnight already
        ("02:30", "2026-03-29 01:30"),  # skipped, so an hour later
        ("2026-10-25 02:30", "2026-10-25 00:30"),  # twice, so the first
    ],
)
def test_a_time_is_read_in_its_zone(text: str, expected: str) -> None:
    assert parse_when(text, "Europe/Berlin", NOW) == utc(expected)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "9", "2026-13-01", "0001-01-01T00:00+14:00", "9:0", "\0"])
def test_what_is_no_time_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_when(text, "Europe/Berlin", NOW)
