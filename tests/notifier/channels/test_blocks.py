"""Slack's blocks: whatever stands in a text, it shows as it stands, and it fits."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifier.channels import blocks
from notifier.channels.blocks import CONTEXT, SECTION, TOTAL, Block
from notifier.channels.text import printable_message
from notifier.facts import Link, Message, Reason, Severity
from tests.notifier.channels.conftest import message
from tests.notifier.channels.strategies import messages, texts

LINK = re.compile(r"<https?://[^<>|]+\|[^<>]*>")
JOINER = "\u034f"


def texts_of(body: list[Block]) -> list[str]:
    parts = [block.get("text") for block in body] + [part for block in body for part in block.get("elements", ())]
    return [part["text"] for part in parts if part]


@given(texts)
@example("<!channel> & <@U1>")
@example("@channel@here@everyone")
@example(":fire:" + "x" * 200 + ":fire:")
def test_no_text_can_ping_link_or_format(text: str) -> None:
    escaped = blocks.escape(text)

    assert not re.search(r"[<>`*~\n\r]", escaped)
    assert not re.search(r"&(?!(amp|lt|gt);)", escaped)
    assert not re.search(r"@(channel|here|everyone)", escaped, re.IGNORECASE)
    assert not re.search(r"(?<!\w)(?<!\u034f)_", escaped)
    # Slack's names of emoji have at most 100 characters, and a time of day is none.
    assert not re.search(r":(?=[a-z0-9_+'-]{1,100}:)(?=[0-9_+'-]*[a-z])|:100:", escaped)


def test_escaping_takes_no_longer_for_a_text_made_to_last() -> None:
    started = time.perf_counter()
    for text in (":" + "a" * 1_000_000, ":a" * 500_000, "_" * 1_000_000, "@channel" * 100_000, " " * 1_000_000):
        assert len(blocks.escape(text)) <= 5 * blocks.LINE

    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"),
        ("record_payment", "record_payment"),  # an underscore within a word formats nothing
        ("__init__", f"{JOINER}__init__"),
        ("`x` ~y~ *z*", "'x' ∼y∼ ∗z∗"),  # noqa: RUF001 - the look-alikes are what is expected
        ("> quoted", f"{JOINER}&gt; quoted"),
        ("at 12:30:45 UTC", "at 12:30:45 UTC"),
        ("handlers.py:100: boom", f"handlers.py:{JOINER}100: boom"),
        ("two\nlines\tand  spaces", "two lines and spaces"),
        ("jo@hereford.example", f"jo@{JOINER}hereford.example"),
    ],
)
def test_escapes_no_more_than_it_must(text: str, shown: str) -> None:
    assert blocks.escape(text) == shown


@settings(max_examples=50)
@given(messages)
def test_every_message_keeps_slacks_limits_and_its_own_markup(sent: Message) -> None:
    sent = printable_message(sent)
    for body in (blocks.card(sent), blocks.news(sent)):
        found = texts_of(body)
        assert found
        assert len(body) <= 50
        assert all(0 < len(text) <= 3000 for text in found)
        assert sum(map(len, found)) <= 13_200
        for text in found:
            assert not re.search("[<>]", LINK.sub("", text))
            assert "javascript:" not in "".join(LINK.findall(text))
        assert len(re.findall(r"\*", "".join(found))) % 2 == 0
    assert 0 < len(blocks.notification(sent)) <= 4000 or not sent.title
    assert len(blocks.brief(sent)) <= 1000


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(1, 4000), st.sampled_from("x&<"))
def test_what_does_not_fit_is_cut_and_counted(lines: int, length: int, character: str) -> None:
    sent = message(summary=(character * length,) * lines, footer=(character * length,) * lines)

    body = blocks.card(sent)
    found = texts_of(body)

    assert all(len(text) <= max(SECTION, CONTEXT) + 50 for text in found)
    assert sum(map(len, found)) <= TOTAL + CONTEXT + 200
    shown = sum(text.count(blocks.escape(character)) for text in found)
    assert ("(cut)" in "".join(found)) is (shown < 2 * lines * length)
    assert not re.search(r"&(?!(amp|lt|gt);)", "".join(found))


def test_a_cut_says_how_many_lines_it_took() -> None:
    sent = message(summary=tuple(f"{number} " + "x" * 990 for number in range(30)), action="")

    found = texts_of(blocks.card(sent))

    shown = [line for text in found for line in text.split("\n") if line.endswith("x")]
    assert f"… {30 - len(shown)} more lines (cut)" in found
    assert shown[0].startswith("0 ")


@pytest.mark.parametrize(
    ("reason", "severity", "mark"),
    [
        (Reason.FIRST, Severity.CRITICAL, ":red_circle:"),
        (Reason.FIRST, Severity.ERROR, ":large_orange_circle:"),
        (Reason.FIRST, Severity.WARNING, ":large_yellow_circle:"),
        (Reason.DIGEST, Severity.INFO, ":large_blue_circle:"),
        (Reason.RESOLVED, Severity.CRITICAL, ":large_green_circle:"),
        (Reason.TEST, Severity.CRITICAL, ":white_circle:"),
    ],
)
def test_the_mark_says_how_bad_it_is(reason: Reason, severity: Severity, mark: str) -> None:
    assert texts_of(blocks.card(message(reason=reason, severity=severity)))[0].startswith(f"{mark} *")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://shop.example/a?b=1&c=2", "<https://shop.example/a?b=1&amp;c=2|Open>"),
        ("https://shop.example/a|b>c d", "<https://shop.example/a%7Cb%3Ec%20d|Open>"),
        ("javascript:alert(1)", "Open"),
        ("mailto:jo@shop.example", "Open"),
        ("https://shop.example/" + "x" * 3000, "Open"),
        ("", "Open"),
    ],
)
def test_links_lead_to_the_web_or_nowhere(url: str, shown: str) -> None:
    body = blocks.card(message(links=(Link("Open", url),), footer=()))

    assert texts_of(body)[-1] == shown


def test_a_possible_repeat_says_so() -> None:
    assert "Possible repeat" in texts_of(blocks.card(message(possible_repeat=True)))[-1]
    assert "Possible repeat" in texts_of(blocks.news(message(reason=Reason.UPDATE, possible_repeat=True)))[-1]
