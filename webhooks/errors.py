"""The one place that turns an exception into facts: class, message, where in the site's own code, stack.

Every text is redacted here, which also makes it storable (no NUL, no lone surrogate).
"""

from __future__ import annotations

import hashlib
import os
import sysconfig
import traceback
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FrameType, TracebackType

from core.redact import redact

MESSAGE_LIMIT = 500
_MESSAGE_READ = 10_000  # a message may quote a whole response; no more of it is looked at
_STACK_LIMIT = 20_000
_FRAMES = 40  # the innermost ones of each exception in the chain
_CHAIN = 5
_REMEMBERED = 64
_stacks: dict[Hashable, str] = {}
_NOT_OURS = tuple(
    f"{folder}{os.sep}"
    for folder in (
        Path(__file__).parent,
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


def describe(error: BaseException, duration_ms: int = 0) -> ErrorFacts:
    sha256, stack = _stored_form(_stack(error))
    return ErrorFacts(
        exception=class_path(type(error)),
        bases=bases(type(error)),
        message=redact(_message(error)[:_MESSAGE_READ], limit=MESSAGE_LIMIT),
        where=_where(error.__traceback__),
        stack_sha256=sha256,
        stack=stack,
        duration_ms=duration_ms,
    )


def class_path(cls: type) -> str:
    """A class by the name under which people know it: `KeyError`, `stripe.CardError`, `django.db.OperationalError`."""
    module = str(cls.__module__).replace("django.db.utils", "django.db")
    root, *rest = module.split(".")
    public = [root, *(part for part in rest if not part.startswith("_"))]
    path = cls.__qualname__ if module == "builtins" else ".".join([*public, cls.__qualname__])
    return path[-255:]


def bases(cls: type) -> tuple[str, ...]:
    """The paths of the base classes, nearest first, up to Exception."""
    return tuple(class_path(base) for base in cls.__mro__[1:] if base not in (BaseException, object))


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception whose __str__ raises is still a failure to report
        return "(its message cannot be read)"


@lru_cache(maxsize=64)
def _stored_form(stack: str) -> tuple[str, str]:
    """Cached, since a storm repeats few stacks and redaction is the slow part of it."""
    if not stack:
        return "", ""
    text = redact(stack, limit=_STACK_LIMIT)
    return hashlib.sha256(text.encode()).hexdigest(), text


def _stack(error: BaseException) -> str:
    """The frames and classes of the chain without their messages: those hold ids, and would make each stack unique."""
    parts = [_link_stack(type(link), link.__traceback__) for link in _chain(error) if link.__traceback__]
    return "\n\nled to\n\n".join(reversed(parts))


def _link_stack(cls: type, tb: TracebackType) -> str:
    """Remembered by its instructions, since a storm repeats few stacks and to find each frame's text takes long."""
    link: TracebackType | None = tb
    steps: list[Hashable] = [cls]
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
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _where(tb: TracebackType | None) -> Where:
    frames = list(_frames(tb))
    if not frames:
        return Where()
    frame, line = next((item for item in reversed(frames) if _is_own(item[0])), frames[-1])
    module = str(frame.f_globals.get("__name__", ""))
    return Where(
        file=_short_file(frame.f_code.co_filename, module)[-255:],
        line=line,
        module=module[-255:],
        function=frame.f_code.co_qualname[-255:],
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
