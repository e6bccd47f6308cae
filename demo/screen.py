"""What the demo shows: plain lines, and the messages in their frames."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

WIDTH = 100


class Screen:
    def __init__(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal that cannot show frames
        terminal = Console()
        width = min(WIDTH, terminal.width) if terminal.is_terminal else WIDTH
        self._console = Console(width=width, highlight=False, emoji=False, markup=False)
        self.width = width
        self.colours = terminal.is_terminal and not terminal.no_color

    def chapter(self, title: str) -> None:
        self._console.print()
        self._console.rule(Text(title, style="bold"), align="left", style="dim")

    def say(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style)

    def event(self, title: str, about: str, facts: list[tuple[str, str, str]]) -> None:
        """An event with what became of it: label, words, style."""
        self._console.print()
        self._console.print(Text(title, style="bold"))
        self._console.print(f"  {about}")
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="dim", min_width=9, no_wrap=True)
        table.add_column(overflow="fold")
        for label, words, style in facts:
            table.add_row(f"  {label}", Text(words, style=style))
        self._console.print(table)

    def printed(self, frame: list[str]) -> None:
        """A message as the console twin has printed it."""
        self._console.print(Text.from_ansi("\n".join(frame)), soft_wrap=True)

    def sent(self, title: str, lines: list[str]) -> None:
        """A message that a provider has taken."""
        self._console.print(Panel(Text("\n".join(lines)), title=Text(title), title_align="left", width=self.width))

    def command(self, line: str, output: str) -> None:
        self._console.print(Text("$ ", style="dim").append(line, style="bold"))
        self._console.print(output.rstrip(), style="dim")

    def failed(self, reason: str, logs: str) -> None:
        self._console.print()
        self._console.print(f"The demo failed: {reason}.", style="bold red")
        self._console.print(logs, soft_wrap=True)
