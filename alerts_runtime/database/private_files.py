"""Files that only their owner may read. Standard library only: the settings use it before anything is set up."""

from __future__ import annotations

import os
from pathlib import Path

OWNER, GROUP = 0o600, 0o060


def make_folder(folder: Path) -> None:
    """Make a folder that nobody else may enter. One that is there keeps its rights: others may have been let in."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def make_file(file: Path) -> None:
    """Make an empty file that nobody else may read, unless it is there or its folder cannot be written to."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER))
    except OSError:
        return


def mode_beside(file: Path) -> int:
    """The rights of what is made beside a file: the owner's, and its group's where they may write to the file."""
    return OWNER | (GROUP if file.stat().st_mode & 0o020 else 0)
