"""Every sentence is as it was when somebody read it last."""

from __future__ import annotations

import os
import re

import pytest

from tests.notifier import golden

# What an insider says: a reader at night needs the plain word.
RIDDLES = (
    r"out of reach|\bmend|in vain|said to be over|[Hh]eld by (inhibited|acknowledged|budget)|  |(?<!\.)\.\.(?!\.)|None"
)


def test_every_sentence_is_as_it_was_read() -> None:
    said = golden.everything()
    if os.environ.get("WRITE_GOLDEN"):
        golden.FILE.write_text(said, encoding="utf-8")
    known = golden.FILE.read_text(encoding="utf-8")
    assert said == known, f"if the words are meant, write them with `WRITE_GOLDEN=1 pytest {__file__}`"


def test_no_sentence_is_a_riddle() -> None:
    found = [line for line in golden.everything().split("\n") if re.search(RIDDLES, line) and "  <stdin>" not in line]
    assert not found


@pytest.mark.parametrize("words", ["Nobody has acknowledged it", "not acknowledged"])
def test_nobody_is_said_only_when_nobody_had_it(words: str) -> None:
    for block in golden.everything().split("\n=== "):
        if (
            "acknowledged" in block.split("\n")[0]
            or "had it" in block.split("\n")[0]
            or "ada has it" in block.split("\n")[0]
        ):
            assert words not in block
