"""Bar charts that every mail client and chat shows: of block characters, or of table cells with a height. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from notifier.messages.digest_data import Trend

BLOCKS = "▁▂▃▄▅▆▇█"
NOTHING = "·"
HEIGHT = 56  # pixels of the highest bar
# The width of a bar in pixels: with 2 between the parts, 24 hours or 31 days fit on a telephone 390 pixels wide.
WIDE, THIN = (6, 3, 2), (4, 2, 2)


class Part(NamedTuple):
    """The bars of one part of the period, such as an hour; heights in pixels."""

    now: int
    before: int
    usual: int
    label: str  # "" if there is no room


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    now: str  # the legend of each kind of bar, with its sum
    before: str
    usual: str
    parts: tuple[Part, ...]
    widths: tuple[int, int, int]
    lines: tuple[str, ...]  # the chart as text


def chart(trend: Trend) -> Chart | None:
    """A chart of the three series at one scale; None when there is nothing to draw."""
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
    """Heights in proportion; what is not zero gets at least one pixel."""
    return [max(1, round(number * highest / most)) if number else 0 for number in series]


def _blocks(series: Sequence[int], most: int) -> str:
    return "".join(BLOCKS[height - 1] if height else NOTHING for height in _heights(series, most, len(BLOCKS)))
