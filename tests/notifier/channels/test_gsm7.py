"""SMS texts: one alphabet, two segments, and the reference survives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.channels.gsm7 import BASIC, EXTENDED, compose, gsm7, segments, septets
from tests.notifier.channels.strategies import texts

references = st.text(st.sampled_from("abcXYZ019"), min_size=6, max_size=6)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("EUR 18,420.00 at risk", "EUR 18,420.00 at risk"),
        ("€ 5", "EUR 5"),
        ("£5 ¥7 @home §", "£5 ¥7 @home §"),  # in the alphabet
        ("“it’s” – fine…", '"it\'s" - fine...'),  # noqa: RUF001 - the curly quotes are the point
        ("a · b → c", "a - b -> c"),
        ("Zürich, Málaga, Łódź, œuvre", "Zürich, Malaga, Lodz, oeuvre"),
        ("Cafe\u0301", "Café"),
        ("ΔΩ but αβ", "ΔΩ but ??"),
        ("漢字 😀", "?? ?"),
        ("a\u200bb\ufeffc", "abc"),
        ("½ ﬁ ™ ²", "1/2 fi TM 2"),
        ("`code`", "'code'"),
        ("two\r\nlines\tand  spaces ", "two lines and spaces"),
    ],
)
def test_says_the_same_in_the_alphabet(text: str, sent: str) -> None:
    assert gsm7(text) == sent


@given(texts)
def test_knows_no_character_outside_the_alphabet(text: str) -> None:
    assert set(gsm7(text)) <= BASIC | EXTENDED
    assert gsm7(gsm7(text)) == gsm7(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("{" * 80, 1),  # two septets each
        ("{" * 81, 2),
        ("x" * 152 + "{" + "x" * 152, 3),  # the brace does not fit into the first segment's last septet
        ("x" * 151 + "{" + "x" * 153, 2),
    ],
)
def test_counts_segments(text: str, count: int) -> None:
    assert segments(text) == count


def test_counts_septets() -> None:
    assert septets("a{b}") == 6


@pytest.mark.parametrize(
    ("text", "reference", "sent"),
    [
        ("Database down.", "k7Qp2w", "Database down. k7Qp2w"),
        ("Database down. k7Qp2w", "k7Qp2w", "Database down. k7Qp2w"),  # it is there already
        ("Alert k7Qp2wx.", "k7Qp2w", "Alert x. k7Qp2w"),  # that was another's
        ("Database down.", "", "Database down."),
        ("x" * 400, "k7Qp2w", "x" * 296 + "... k7Qp2w"),
        ("x" * 400 + " k7Qp2w", "k7Qp2w", "x" * 296 + "... k7Qp2w"),
        ("x" * 299, "k7Qp2w", "x" * 299 + " k7Qp2w"),  # 306 septets
        ("x" * 300, "k7Qp2w", "x" * 296 + "... k7Qp2w"),
    ],
)
def test_cuts_where_it_shows_and_keeps_the_reference(text: str, reference: str, sent: str) -> None:
    assert compose(text, reference) == sent


@given(texts.map(lambda text: text * 3), references)
def test_is_never_dearer_than_two_segments(text: str, reference: str) -> None:
    sent = compose(text, reference)

    assert segments(sent) <= 2
    assert reference in sent.split()
    assert "\n" not in sent
