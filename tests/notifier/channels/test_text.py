"""Texts that any channel can send."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.channels.text import cut, follow_up, headline, one_line, plain, printable, printable_message
from notifier.facts import Link, Message, Reason, Severity
from tests.notifier.channels.conftest import message
from tests.notifier.channels.strategies import messages


@given(st.text(st.characters(exclude_categories=[])))
def test_what_is_left_can_be_printed_and_encoded(text: str) -> None:
    clean = printable(text)

    assert clean.encode("utf-8").decode() == clean
    assert all(ord(character) >= 0x20 or character in "\n\t" for character in clean)
    assert not set(clean) & set("\x7f\x85\x9b\u202a\u202e\u2066\u2028\u2029")
    assert printable(clean) == clean


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\x1b[31mb\x07", "a[31mb"),
        ("\u202eevil\u202c", "evil"),
        ("zürich 漢字 😀 e\u0301", "zürich 漢字 😀 e\u0301"),
        ("\ud83d", "?"),
    ],
)
def test_drops_no_more_than_it_must(text: str, clean: str) -> None:
    assert printable(text) == clean


@settings(max_examples=50)
@given(messages)
def test_every_text_of_a_message_is_made_printable(sent: Message) -> None:
    clean = printable_message(sent)

    texts = [clean.title, *clean.summary, *clean.footer, clean.html, clean.thread, *(link.text for link in clean.links)]
    assert all(printable(text) == text for text in texts)
    assert (clean.reason, clean.severity, clean.possible_repeat) == (sent.reason, sent.severity, sent.possible_repeat)


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [("short", 10, "short"), ("exactly ten", 11, "exactly ten"), ("x" * 30, 20, "x" * 12 + " … (cut)")],
)
def test_a_cut_shows(text: str, limit: int, kept: str) -> None:
    assert cut(text, limit) == kept


@pytest.mark.parametrize(
    ("reason", "title", "head", "news"),
    [
        (Reason.FIRST, "it broke", "Critical: it broke", "Critical: it broke"),
        (Reason.UPDATE, "it broke", "Critical: it broke", "Critical: it broke"),
        (Reason.RAISED, "it broke", "Critical: it broke", "Raised to critical: it broke"),
        (Reason.REPEAT, "it broke", "Critical: it broke", "Still open: it broke"),
        (Reason.REOPENED, "it broke", "Critical: it broke", "Open again: it broke"),
        (Reason.RESOLVED, "it broke", "Resolved: it broke", "Resolved: it broke"),
        (Reason.RESOLVED, "Resolved after 17 min", "Resolved after 17 min", "Resolved after 17 min"),
        (Reason.DIGEST, "3 alerts", "3 alerts", "3 alerts"),
        (Reason.TEST, "a test", "a test", "a test"),
        (Reason.FIRST, "two\nlines", "Critical: two lines", "Critical: two lines"),
    ],
)
def test_the_headline_says_how_bad_and_what(reason: Reason, title: str, head: str, news: str) -> None:
    sent = message(reason=reason, title=title, severity=Severity.CRITICAL)

    assert (headline(sent), follow_up(sent)) == (head, news)


def test_plain_text_is_made_of_the_parts_that_are_there() -> None:
    sent = message(text="", title="it broke", summary=("line",), action="mend it", news="2 more", footer=("foot",))

    assert (
        plain(sent)
        == "Critical: it broke\nline\nDo: mend it\n2 more\nfoot\nOpen alert 118: https://shop.example/alerts/118?a=1&b=2"
    )
    assert plain(message(text="its own")) == "its own"
    assert plain(Message(Reason.TEST, Severity.INFO, "a test", (), possible_repeat=True)).startswith(
        "a test\nPossible repeat"
    )


def test_links_keep_their_addresses() -> None:
    clean = printable_message(message(links=(Link("Open\x00", "https://shop.example/"),)))

    assert clean.links == (Link("Open", "https://shop.example/"),)


def test_one_line_is_one_line() -> None:
    assert one_line(" a\r\n b\u2028c\td ") == "a b c d"
