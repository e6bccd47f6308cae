"""A redacted traceback for people: the site's own lines first, the rest folded away. Pure."""

from __future__ import annotations

import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path

_FRAME = re.compile(r'  File "(?P<file>[^"\n]*)", line (?P<line>\d+), in (?P<function>[^\n]*)')
_LIBRARIES = ("site-packages", "dist-packages", "<")
_STDLIB = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})
_PROJECT = str(Path(__file__).resolve().parents[2])  # where this project's own packages lie
_PACKAGES = ("webhooks", "notifier", "alerts_runtime")


@dataclass(frozen=True, slots=True)
class Frame:
    file: str
    line: int
    function: str
    code: str
    own: bool  # of the site, not of a library


def frames(traceback: str) -> list[Frame]:
    """The traceback's lines of code, the innermost first: that is where to look."""
    found = []
    lines = traceback.split("\n")
    for place, text in enumerate(lines):
        if seen := _FRAME.fullmatch(text):
            below = lines[place + 1] if place + 1 < len(lines) else ""
            code = below.strip() if below.startswith("    ") else ""
            file = seen["file"]
            found.append(Frame(_short(file), int(seen["line"]), seen["function"], code, _is_own(file)))
    return found[::-1]


def _is_own(file: str) -> bool:
    if any(part in file for part in _LIBRARIES) or file.startswith(_STDLIB):
        return False
    return not any(file.startswith(f"{_PROJECT}/{package}/") for package in _PACKAGES)


def _short(file: str) -> str:
    """From where packages begin, rather than where this machine happens to keep them."""
    for mark in ("/site-packages/", "/dist-packages/"):
        if mark in file:
            return file.rpartition(mark)[2]
    if file.startswith(f"{_PROJECT}/"):
        return file[len(_PROJECT) + 1 :]
    parts = file.split("/")
    return "/".join(parts[-3:]) if len(parts) > 4 else file
