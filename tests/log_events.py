"""What our modules log, read from their code: event, levels and keys of each call of a logger."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("alerts_runtime", "webhooks", "notifier")
LEVELS = ("debug", "info", "warning", "error", "critical")
_LOGGERS = ("log", "logger")
_NO_KEYS = ("exc_info", "exception")  # shown as the line's traceback


@dataclass
class Logged:
    levels: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)


def in_code() -> dict[str, Logged]:
    found: dict[str, Logged] = defaultdict(Logged)
    calls = [call for package in PACKAGES for path in (ROOT / package).rglob("*.py") for call in _calls(path)]
    bound = {key for call in calls if _method(call) == "bind" for key in _keys(call)}
    for call in calls:
        if (method := _method(call)) == "bind":
            continue
        of_attempt = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Attribute)
        levels = {"error"} if method == "exception" else {method}
        event, *_ = call.args
        if method == "log":
            level, event = call.args
            levels = {
                node.attr.lower()
                for node in ast.walk(level)
                if isinstance(node, ast.Attribute) and node.attr.lower() in LEVELS
            }
        for name in _constants(event, call):
            found[name].levels |= levels
            found[name].keys |= {*_keys(call)} | (bound if of_attempt else set())
    return dict(found)


def _calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
            if name in _LOGGERS and node.func.attr in (*LEVELS, "exception", "log", "bind"):
                yield node


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _keys(call: ast.Call) -> Iterator[str]:
    return (one.arg for one in call.keywords if one.arg and one.arg not in _NO_KEYS)


def _constants(event: ast.expr, call: ast.Call) -> Iterator[str]:
    """An event is a constant, or one of several: anything else could hold a value."""
    match event:
        case ast.Constant(value=str(name)):
            yield name
        case ast.IfExp(body=body, orelse=other):
            yield from _constants(body, call)
            yield from _constants(other, call)
        case _:
            raise AssertionError(f"the event's name is no constant: {ast.unparse(call)}")
