"""Values of a log line or of JSON without secrets: the texts in them, and whatever its name says is secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from datetime import date
from typing import Any

from alerts_runtime.redaction.named import SECRET_NAME
from alerts_runtime.redaction.redact import redact
from alerts_runtime.redaction.table import SECRET

_LABELS = ("name", "key", "field", "header")  # as in {"name": "password", "value": "x"}
_USER_OPTIONS = ("-u", "--user", "--proxy-user")  # curl's: a name and a password


def redact_value(value: Any, name: str = "") -> Any:
    """The value with every text in it redacted; where `name`, its key, is that of a secret, all of it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {redact(_text(key)): redact_value(item, _name_of(key, value, name)) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return redact_value(value._asdict(), name)
    if isinstance(value, list | tuple) and not _is_secret(name):
        return list(_redact_items(value))
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(item, name) for item in value]
    if _is_secret(name) and value != "":
        return SECRET
    if isinstance(value, int | float):
        return value
    return str(value) if isinstance(value, date) else redact(str(value))


def redact_processor(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> dict[str, Any]:
    """structlog's processor that redacts every value of a line. Comes after exceptions were made text."""
    return {key: redact_value(value, key) for key, value in event_dict.items()}


def _is_secret(name: str) -> bool:
    return bool(name) and (name.lower() == "auth" or SECRET_NAME.search(name) is not None)


def _name_of(key: object, of: Mapping[Any, Any], above: str) -> str:
    """The name that says whether the value of this key is secret: its own, its label, or that of the whole."""
    if key == "value" and (label := next((of[label] for label in _LABELS if label in of), "")):
        return _text(label)
    return above if _is_secret(above) else _text(key)


def _redact_items(items: list[Any] | tuple[Any, ...]) -> Iterator[Any]:
    """A pair may be a name and its value, and so may any two words of a command."""
    before = ""
    for item in items:
        if before in _USER_OPTIONS and isinstance(item, str) and ":" in item:
            yield SECRET
        else:
            yield redact_value(item, before.lstrip("-") if before.startswith("-") or len(items) == 2 else "")
        before = _text(item) if isinstance(item, str | bytes) else ""


def _text(of: object) -> str:
    return of.decode(errors="replace") if isinstance(of, bytes) else str(of)
