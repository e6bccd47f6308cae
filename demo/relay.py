"""Hands on what the worker's console twins print: each message is a frame, and its title names the kind of channel."""

from __future__ import annotations

import queue
import re
import threading
from collections import defaultdict
from typing import IO

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
FRAME = re.compile(r"╭─ (\w+) to ")
FRAME_ENDS = "╰"


class Relay:
    """Keeps the frames by kind, in the order in which they were printed."""

    def __init__(self) -> None:
        self._frames: defaultdict[str, queue.SimpleQueue[list[str]]] = defaultdict(queue.SimpleQueue)

    def listen_to(self, stream: IO[bytes]) -> None:
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def next(self, kind: str, within: float = 5) -> list[str]:
        """The oldest frame of this kind that has not been taken, as lines. Raises queue.Empty after so many seconds."""
        return self._frames[kind].get(timeout=within)

    def _read(self, stream: IO[bytes]) -> None:
        kind = ""
        lines: list[str] = []
        for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            bare = COLOURS.sub("", line)
            if found := FRAME.match(bare):
                kind, lines = found[1], []
            lines.append(line)
            if kind and bare.startswith(FRAME_ENDS):
                self._frames[kind].put(lines)
                kind, lines = "", []
