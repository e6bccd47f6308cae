"""What an outage cost, and the table of all."""

from __future__ import annotations

from dataclasses import dataclass, field

from rich.table import Table

from tests.chaos.audit import Count


class Unavailable(Exception):  # noqa: N818 - no error: this machine cannot stage the outage, and the text says why
    """The outage is left out."""


@dataclass
class Outcome:
    """One row. `broken` has a line for each promise that was broken."""

    count: Count = field(default_factory=Count)
    recovered: float = 0.0  # seconds from the outage's end until nothing was left to do
    said: str = ""  # what the row tells besides
    broken: list[str] = field(default_factory=list)

    def check(self, held: bool, promise: str) -> None:
        if not held:
            self.broken.append(promise)

    @property
    def failed(self) -> bool:
        count = self.count
        return bool(self.broken or count.events_lost or count.effects_doubled or count.alerts_lost or count.unmarked)


def table(rows: dict[str, Outcome | str]) -> Table:
    """A row for each outage, in the columns of the crash matrix; a text instead says why it was left out."""
    found = Table(title="Outages under load")
    found.add_column("outage", no_wrap=True)
    for name in ("events lost", "effects doubled", "alerts lost", "messages doubled", "seconds to recover"):
        found.add_column(name, justify="right")
    found.add_column("and")
    for name, outcome in rows.items():
        if isinstance(outcome, str):
            found.add_row(name, *["-"] * 5, f"left out: {outcome}")
            continue
        count = outcome.count
        marked = count.doubled - count.unmarked
        doubled = str(count.unmarked) + (f" + {marked} marked" if marked else "")
        numbers = (count.events_lost, count.effects_doubled, count.alerts_lost)
        found.add_row(name, *map(str, numbers), doubled, f"{outcome.recovered:.1f}", outcome.said)
    return found
