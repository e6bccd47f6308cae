"""A hash of the source of a function of the site, to see whether it has changed."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_MADE_UP = ("<lambda>", "<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def code_of(module: str, function: str) -> str:
    """A hash of a function's source in its file as it is now; empty when that cannot be read. Never raises.

    `function` is a qualified name. Comments, blank lines and moves within the file change nothing. What counts is the
    file, even if this process still runs older code.
    """
    try:
        path = _file(module)
        return _hash(path, path.stat().st_mtime_ns, function) if path else ""
    except Exception:  # noqa: BLE001 - find_spec imports the site's own packages
        return ""


def _file(module: str) -> Path | None:
    known = sys.modules.get(module)
    name = getattr(known, "__file__", None) if known else getattr(find_spec(module), "origin", None)
    return Path(name) if name and name.endswith(".py") else None


@lru_cache(maxsize=256)
def _hash(path: Path, _changed: int, function: str) -> str:
    tree: ast.AST = ast.parse(path.read_bytes())
    found = [tree] if function == "<module>" else list(_named(tree, _parts(function)))
    dumped = "\n".join(map(ast.dump, found))
    return hashlib.sha256(dumped.encode()).hexdigest() if dumped else ""


def _parts(function: str) -> list[str]:
    parts = [part for part in function.split(".") if part != "<locals>"]
    return parts[: next((place for place, part in enumerate(parts) if part in _MADE_UP), len(parts))]


def _named(node: ast.AST, parts: list[str]) -> Iterator[ast.AST]:
    """All functions of that name: there may be one in each branch of an `if`."""
    if not parts:
        yield node
        return
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _DEFINITIONS):
            yield from _named(child, parts)
        elif child.name == parts[0]:
            yield from _named(child, parts[1:])
