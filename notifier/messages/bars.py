"""Small bars that every mail client and every chat draws: block characters, and heights of table cells. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from notifier.messages.digest_data import Trend

BLOCKS = "▁▂▃▄▅▆▇█"
NOTHING = "·"
HEIGHT = 56  # pixels of the highest
# Pixels of each bar of a part: with 2 between the parts, a day's hours or a month's days fit on a telephone of 390.
WIDE, THIN = (6, 3, 2), (4, 2, 2)


class Part(NamedTuple):
    """The bars of one part of the period, in pixels."""

    now: int
    before: int
    usual: int
    label: str  # "" where there is no room for one


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    now: str  # what each kind of bar is, with its sum
    before: str
    usual: str
    parts: tuple[Part, ...]
    widths: tuple[int, int, int]
    lines: tuple[str, ...]  # the whole as text


def chart(trend: Trend) -> Chart | None:
    """The three series side by side, to one scale; None when there is nothing to draw."""
    most = max((*trend.now, *trend.before, *trend.usual))
    if not most:
        return None
    title = f"Failures per {trend.unit} from {trend.labels[0]}, the highest bar is {most:,}"
    now = f"this {trend.period}: {sum(trend.now):,}"
    before = f"the {trend.period} before: {sum(trend.before):,}"
    usual = f"usual: {trend.usual_sum:,} (median of {trend.periods} {trend.period}s)"
    every = max(1, -(-len(trend.labels) // 6))
    heights = zip(*(_heights(series, most, HEIGHT) for series in (trend.now, trend.before, trend.usual)), strict=True)
    return Chart(
        title=title,
        now=now,
        before=before,
        usual=usual,
        parts=tuple(
            Part(now_high, before_high, usual_high, trend.labels[number] if number % every == 0 else "")
            for number, (now_high, before_high, usual_high) in enumerate(heights)
        ),
        widths=WIDE if len(trend.now) <= 24 else THIN,
        lines=(
            f"{title}:",
            *(
                f"{_blocks(series, most)} {words}"
                for series, words in ((trend.now, now), (trend.before, before), (trend.usual, usual))
            ),
        ),
    )


def _heights(series: Sequence[int], most: int, highest: int) -> list[int]:
    """In proportion; what is more than nothing is seen."""
    return [max(1, round(number * highest / most)) if number else 0 for number in series]


def _blocks(series: Sequence[int], most: int) -> str:
    return "".join(BLOCKS[height - 1] if height else NOTHING for height in _heights(series, most, len(BLOCKS)))
