"""docs/logs.md lists every event that is logged, with its levels and keys, and no other."""

from __future__ import annotations

import re

import pytest

from tests.log_events import LEVELS, ROOT, in_code

CODE = in_code()
TABLE = {
    cells[0].strip("`"): cells[1:]
    for line in (ROOT / "docs" / "logs.md").read_text().partition("| event |")[2].splitlines()[2:]
    if (cells := [cell.strip() for cell in line.strip("|").split("|")])
}


def test_every_event_is_in_the_table_and_no_other() -> None:
    assert set(TABLE) == set(CODE)


@pytest.mark.parametrize("event", sorted(CODE))
def test_an_event_is_logged_as_the_table_says(event: str) -> None:
    levels, keys, what, *_ = TABLE[event]
    assert levels.split(", ") == [level for level in LEVELS if level in CODE[event].levels]
    assert re.findall(r"`(\w+)`", keys) == sorted(CODE[event].keys)
    assert what


@pytest.mark.parametrize("event", sorted(CODE))
def test_an_events_name_is_an_object_and_what_happened(event: str) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", event)
