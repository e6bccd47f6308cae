"""Folds the traceback of a message away, as the email's HTML does. Pure."""

from __future__ import annotations

import re

from demo.relay import COLOURS, FRAME_ENDS

TRACEBACK = re.compile(r'(│ )?\s*(File "|… \([0-9,]+ characters before this left out\))')


def folded(lines: list[str]) -> list[str]:
    """The lines with a note in the traceback's place; a frame around them stays whole."""
    bare = [COLOURS.sub("", line) for line in lines]
    start = next((number for number, line in enumerate(bare) if TRACEBACK.match(line)), None)
    if start is None:
        return lines
    bottom = lines[-1:] if bare[-1].startswith(FRAME_ENDS) else []
    content = bare[start].strip("│")
    note = f" (a traceback of {len(lines) - len(bottom) - start} lines is folded here)"
    return [*lines[:start], lines[start].replace(content, f"{note:<{len(content)}}"), *bottom]
