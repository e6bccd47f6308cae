"""The one place that turns an exception into facts: class, message, where in the site's own code, stack.

Every text is redacted here, which also makes it storable (no NUL, no lone surrogate).
"""

from __future__ import annotations

import hashlib
import os
import sysconfig
import traceback
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import FrameType, TracebackType

from alerts_runtime.failures import foreign
from alerts_runtime.failures.judging import Judgement, judge
from alerts_runtime.failures.reading import class_path, classes_of, read
from alerts_runtime.redaction.redact import redact

MESSAGE_LIMIT = 500
LONG_MESSAGE_LIMIT = 1500  # with notes, or with the parts of a group
_OWN_LIMIT = 200  # of the exception's own message when more follows, so that what follows is seen
_NOTES, _PARTS, _PART_LIMIT = 5, 10, 200
_BASES = 40
_MESSAGE_READ = 10_000  # a message may quote a whole response; no more of it is looked at
_STACK_LIMIT = 20_000
_FRAMES = 40  # the innermost ones of each exception in the chain
_CHAIN = 5
_REMEMBERED = 64
_stacks: dict[Hashable, str] = {}
_NOT_OURS = tuple(
    f"{folder}{os.sep}"
    for folder in (
        *(Path(__file__).parents[1] / name for name in ("alerts_runtime", "notifier", "webhooks")),
        *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")},
    )
)


@dataclass(frozen=True, slots=True)
class Where:
    """The innermost line of the site's own code; the innermost line of all where there is none."""

    file: str = ""
    line: int = 0
    module: str = ""
    function: str = ""


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    exception: str
    bases: tuple[str, ...]
    message: str
    where: Where = Where()
    stack_sha256: str = ""  # empty: there is no stack
    stack: str = ""
    duration_ms: int = 0
    kind: str = ""  # what alerts_runtime.failures makes of it
    transient: bool = False
    peer: str = ""


def describe(
    error: BaseException, judgement: Judgement | None = None, *, duration_ms: int = 0, class_only: bool = False
) -> ErrorFacts:
    """What is kept of an exception; with `class_only` no text of it. Never raises, whatever its own code does."""
    judged = judgement or judge(read(error))
    sha256, stack = _stored_form(_stack(error))
    message, limit = _message(error, class_only=class_only)
    return ErrorFacts(
        exception=class_path(type(error)),
        bases=_bases(error, judged),
        message=redact(message[:_MESSAGE_READ], limit=limit),
        where=_where(foreign.frames_of(error)),
        stack_sha256=sha256,
        stack=stack,
        duration_ms=duration_ms,
        kind=judged.kind.name,
        transient=judged.transient,
        peer=_stored_peer(judged.peer),
    )


@lru_cache(maxsize=256)
def _stored_peer(peer: str) -> str:
    return redact(peer, limit=255)


def _bases(error: BaseException, judged: Judgement) -> tuple[str, ...]:
    """The classes by which it was judged (its own, or those of a part or of its cause), then its bases and its parts.

    So a rule for a class matches it inside a group, and what was judged by its cause is matched by it too.
    """
    own = classes_of(type(error))
    paths = [*judged.classes, *own]
    for part in foreign.parts_of(error):
        paths += classes_of(type(part))
    return tuple(dict.fromkeys(path for path in paths if path != own[0]))[:_BASES]


def _message(error: BaseException, *, class_only: bool) -> tuple[str, int]:
    """The exception's text, its notes and the parts of a group, each with its own line; and how long it may be."""
    own = _said(error, class_only)
    links = list(_chain(error))
    more = [*([] if class_only else _notes(*links)), *_parts(*links, class_only=class_only)]
    if not more:
        return own, MESSAGE_LIMIT
    return "\n".join([redact(own[:_MESSAGE_READ], limit=_OWN_LIMIT), *more]), LONG_MESSAGE_LIMIT


def _said(error: BaseException, class_only: bool) -> str:
    """Its text, unless the site keeps none: names and addresses have no form by which redaction could tell them."""
    return "" if class_only else foreign.text(error, "(its message cannot be read)")


def _notes(*links: BaseException) -> list[str]:
    """What was added with `add_note`, to the exception and to those that led to it."""
    lists = [
        notes
        for link in links
        if foreign.is_a(notes := foreign.get(link, "__notes__"), list) or foreign.is_a(notes, tuple)
    ]
    return _listed("note", [foreign.text(note) for notes in lists for note in notes], _NOTES)


def _parts(*links: BaseException, class_only: bool) -> list[str]:
    return _listed("part", [_part(part, class_only) for link in links for part in foreign.parts_of(link)], _PARTS)


def _part(error: BaseException, class_only: bool) -> str:
    where = _where(foreign.frames_of(error))
    at = f" in {where.file}:{where.line} {where.function}" if where.file else ""
    said = _said(error, class_only)[:_MESSAGE_READ]
    short = ": ".join(text for text in (class_path(type(error)), redact(said, limit=_PART_LIMIT)) if text)
    return "; ".join([short + at, *([] if class_only else _notes(error))])


def _listed(what: str, texts: Iterable[str], most: int) -> list[str]:
    found = [text for text in texts if text]
    lines = [f"{what}: {redact(text[:_MESSAGE_READ], limit=2 * _PART_LIMIT)}" for text in found[:most]]
    return lines + ([f"and {len(found) - most:,} more {what}s"] if len(found) > most else [])


@lru_cache(maxsize=64)
def _stored_form(stack: str) -> tuple[str, str]:
    """Cached, since a storm repeats few stacks and redaction is the slow part of it."""
    if not stack:
        return "", ""
    text = redact(stack, limit=_STACK_LIMIT)
    return hashlib.sha256(text.encode()).hexdigest(), text


def _stack(error: BaseException) -> str:
    """The frames and classes of the chain without their messages: those hold ids, and would make each stack unique."""
    parts = (part for link in _chain(error) for part in foreign.parts_of(link))
    stacks = [f"part {number}\n\n{_chain_stack(part)}" for number, part in enumerate(islice(parts, _PARTS), 1)]
    return "\n\n".join(stack for stack in (_chain_stack(error), *stacks) if stack)


def _chain_stack(error: BaseException) -> str:
    links = [_link_stack(type(link), tb) for link in _chain(error) if (tb := foreign.frames_of(link))]
    return "\n\nled to\n\n".join(reversed(links))


def _link_stack(cls: type, tb: TracebackType) -> str:
    """Remembered by its instructions, since a storm repeats few stacks and to find each frame's text takes long."""
    link: TracebackType | None = tb
    steps: list[Hashable] = [class_path(cls)]
    while link is not None:
        steps += (link.tb_frame.f_code, link.tb_lasti)
        link = link.tb_next
    key = tuple(steps)
    if (known := _stacks.get(key)) is not None:
        return known
    if len(_stacks) >= _REMEMBERED:
        _stacks.clear()
    _stacks[key] = text = "".join(traceback.format_tb(tb, limit=-_FRAMES)) + class_path(cls)
    return text


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(_CHAIN):
        if link is None:
            return
        yield link
        link = foreign.cause_of(link) or foreign.context_of(link)


def _where(tb: TracebackType | None) -> Where:
    frames = list(_frames(tb))
    if not frames:
        return Where()
    frame, line = next((item for item in reversed(frames) if _is_own(item[0])), frames[-1])
    module = str(frame.f_globals.get("__name__", ""))
    return Where(
        file=foreign.storable(_short_file(frame.f_code.co_filename, module))[-255:],
        line=line,
        module=foreign.storable(module)[-255:],
        function=foreign.storable(frame.f_code.co_qualname)[-255:],
    )


def _frames(tb: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while tb is not None:
        yield tb.tb_frame, tb.tb_lineno or 0
        tb = tb.tb_next


def _is_own(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return not file.startswith(("<", *_NOT_OURS)) and "site-packages" not in file and "dist-packages" not in file


def _short_file(file: str, module: str) -> str:
    """`billing/handlers.py` rather than where this machine happens to keep it."""
    parts = Path(file).parts
    depth = module.count(".") + (2 if parts[-1:] == ("__init__.py",) else 1)
    return "/".join(parts[-depth:])
