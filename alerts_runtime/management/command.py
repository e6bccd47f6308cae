"""What every command here has in common: examples in its help, and a quiet end when nobody listens any more."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
import textwrap
from argparse import ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import Any, ClassVar

from django.core import checks
from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter

INTERRUPTED, NOBODY_READS = 130, 141  # what shells say of Ctrl-C and of a closed pipe
MOST_ROWS = 2**63 - 1  # the largest id that a database has


class Help(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Django's, with the examples line by line."""


class Unfinished(checks.Error):
    """An error of the check that leaves everything else working, so that no command of ours refuses to run for it."""


class PlainCommand(BaseCommand):
    """A command that ends with a sentence or without a word, and never with a traceback, when a person stops it."""

    examples: ClassVar[tuple[str, ...]] = ()  # arguments that are worth to be copied

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, formatter_class=Help, **kwargs)
        width = shutil.get_terminal_size().columns - 2
        parser.description = textwrap.fill(parser.description or "", width)
        lines = (f"  manage.py {subcommand} {arguments}".rstrip() for arguments in self.examples)
        parser.epilog = "\n".join(("examples:", *lines)) if self.examples else None
        return parser

    def check(self, *args: Any, **options: Any) -> None:
        """Print what is wrong with the settings, and go on if the rest works: alerts must not stop for one channel."""
        asked = {name: options[name] for name in ("tags", "databases") if name in options}
        serious = [found for found in checks.run_checks(**asked) if found.is_serious() and not found.is_silenced()]
        if all(isinstance(found, Unfinished) for found in serious):
            options |= {"fail_level": checks.CRITICAL}
        super().check(*args, **options)

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            answer = super().execute(*args, **options)
            self.stdout.flush()
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=INTERRUPTED) from None
        except BrokenPipeError:  # `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
            raise SystemExit(NOBODY_READS) from None
        return answer


def whole(least: int, most: int) -> Callable[[str], int]:
    """The type of an argument: a whole number from `least` to `most`."""

    def read(text: str) -> int:
        number = int(text) if text.lstrip("-").isdecimal() and len(text) < 25 else None
        if number is None or not least <= number <= most:
            raise ArgumentTypeError(f"{text[:40]!r} is not a whole number from {least} to {most}")
        return number

    return read


def seconds(text: str) -> float:
    """The type of an argument: seconds, a day at most."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 86_400:
        raise ArgumentTypeError(f"{text[:40]!r} is not a number of seconds from 0 to 86400")
    return number


def user() -> str:
    """Who runs this. In a container the user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return f"user {os.getuid()}"
