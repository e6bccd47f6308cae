"""The tables as they are printed and as they stand in docs/chaos.md. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.chaos.faults.waits import SETTINGS, WAITS
from tests.chaos.matrix import ROWS, Cell
from tests.chaos.storm import Storm

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "celery": "PostgreSQL, Celery, RabbitMQ"}
SHORT = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "celery": "Celery"}
LOSSES = ("events lost", "effects doubled", "alerts lost")
STORM_HEAD = ("stack", "events", "posts", "kills", "stops", "provider faults", *LOSSES, "messages", "doubled, marked")


def matrix(cells: Iterable[Cell]) -> str:
    """A line for each row, with the seconds to recover on each stack; other numbers are there once if all agree."""
    played = {(cell.row.title, cell.stack): cell for cell in cells}
    stacks = [stack for stack in SHORT if any(stack == own for _, own in played)]
    head = ("killed", *LOSSES, "messages doubled", *(f"{SHORT[stack]}: recovers in" for stack in stacks))
    lines = []
    for title in (row.title for row in ROWS):
        found = {stack: played[title, stack] for stack in stacks if (title, stack) in played}
        if found:
            numbers = (_agreed(column) for column in zip(*map(_numbers, found.values()), strict=True))
            seconds = (f"{found[stack].seconds:.1f} s" if stack in found else "" for stack in stacks)
            lines.append((title, *numbers, *seconds))
    return _table(head, lines)


def storms(found: Iterable[Storm]) -> str:
    stacks = list(NAMES)
    return _table(STORM_HEAD, [_of_storm(storm) for storm in sorted(found, key=lambda one: stacks.index(one.stack))])


def foot() -> str:
    """What differs from production."""
    here = "; ".join(words for words in (*SETTINGS, *(wait.words for wait in WAITS)) if words)
    return f"Waits are shorter here than in production (in brackets), where they bound the time to recover: {here}."


def _numbers(cell: Cell) -> tuple[str, ...]:
    count = cell.count
    doubled = str(count.doubled) + (", marked" if count.doubled and not count.unmarked else "")
    return (str(count.events_lost), str(count.effects_doubled), str(count.alerts_lost), doubled)


def _agreed(values: Iterable[str]) -> str:
    """In the order of the stacks, when they differ."""
    found = list(values)
    return found[0] if len(set(found)) == 1 else " / ".join(found)


def _of_storm(storm: Storm) -> tuple[str, ...]:
    kills, stops = storm.faults.get("kill", 0), storm.faults.get("stop", 0)
    count = storm.count
    return (
        NAMES[storm.stack],
        *(str(value) for value in (storm.accepted, storm.posts, kills, stops)),
        str(sum(storm.faults.values()) - kills - stops),
        *(str(value) for value in (count.events_lost, count.effects_doubled, count.alerts_lost, storm.messages)),
        f"{count.doubled}, {count.doubled - count.unmarked}",
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown that can be read as it is."""
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def between_markers(page: str, text: str) -> str:
    """The page with this text in the place of what stood between its markers. Raises ValueError without them."""
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not (found and closed):
        raise ValueError("the page has no markers for the tables")
    return f"{before}{BEGIN}\n{text}\n{END}{after}"
