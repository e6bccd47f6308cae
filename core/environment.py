"""Reads variables of the environment. A wrong value ends the process with one line: its name, what was read, what fits.

No exception, since people would get a traceback that ends in a library; and exit code 3, by which gunicorn knows that
to start again is no use. https://github.com/benoitc/gunicorn/blob/master/gunicorn/arbiter.py
"""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from typing import Any, NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import environ

from alerts_runtime.redaction.redact import redact

EXIT_CODE = 3
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_DATABASES = ("postgres", "postgresql", "sqlite")
_SHOWN = 60  # characters of a value


class Environment(environ.Env):  # type: ignore[misc]  # django-environ ships no types
    """django-environ's, with every value checked where it is read. Empty means not set."""

    def bool(self, var: str, default: bool = False) -> bool:
        value = self._read(var).lower()
        if value and value not in _YES + _NO:
            refuse(var, value, "true or false")
        return value in _YES if value else default

    def int(self, var: str, default: int, *, least: int = 0, most: int = 10**9) -> int:
        value = self._read(var)
        if not value:
            return default
        number = int(value) if value.lstrip("-").isdecimal() and len(value) < 12 else None
        if number is None or not least <= number <= most:
            refuse(var, value, f"a whole number from {least} to {most}" if most < 10**9 else f"{_whole(least)}")
        return number

    def zone(self, var: str, default: str) -> str:
        value = self._read(var) or default
        try:
            ZoneInfo(value)
        except (ValueError, OSError, LookupError):  # each kind of wrong name raises another
            near = (name for name in sorted(available_timezones()) if name.lower().endswith(value.lower()))
            refuse(var, value, f"the name of a time zone, such as {next(near, 'Europe/Berlin')}")
        return value

    def level(self, var: str, default: str) -> str:
        value = (self._read(var) or default).upper()
        names = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        if value not in names or not isinstance(logging.getLevelName(value), int):
            refuse(var, value, f"one of {', '.join(names)}")
        return value

    def web_address(self, var: str) -> str:
        """An http(s) URL; empty when it is not set."""
        value = self._read(var)
        if value and not _is_web_address(value):
            refuse(var, value, "an address such as https://shop.example")
        return value

    def apps(self, var: str) -> list[str]:
        """Dotted names of Django apps, comma separated."""
        names: list[str] = self.list(var, default=[])
        for name in names:
            if not _can_be_found(name):
                refuse(var, name, "an app that Python finds, by its dotted name; several with commas between them")
        return names

    def database(self, var: str, default: str) -> dict[str, Any]:
        value = self._read(var) or default
        wanted = "postgres://user:password@host:5432/name or sqlite:///path/to/file"
        scheme = value.partition(":")[0]
        try:
            parts = urlsplit(value)
            fits = parts.scheme in _DATABASES and (parts.port or 1) and len(parts.path) > 1
        except ValueError:  # a port that is no number
            fits = False
        if not fits:
            # No more of it is shown: it may hold a password.
            refuse(var, f"{scheme}:..." if scheme != value and scheme.isalnum() else "a value without a scheme", wanted)
        found: dict[str, Any] = self.db_url_config(value)
        return found

    def _read(self, var: str) -> str:
        return str(self.ENVIRON.get(var, "")).strip()


def refuse(var: str, value: str, wanted: str) -> NoReturn:
    """End the process with one line."""
    shown = redact(" ".join(value.split()))[:_SHOWN]
    end(f"{var}={shown} cannot be used: it must be {wanted}.")


def end(line: str) -> NoReturn:
    """End the process with this line."""
    sys.stderr.write(line + "\n")
    raise SystemExit(EXIT_CODE)


def _whole(least: int) -> str:
    return "a whole number" if least == 0 else f"a whole number, at least {least}"


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _can_be_found(name: str) -> bool:
    """Whether it is a module, or a class in one."""
    for path in (name, name.rpartition(".")[0]):
        try:
            if path and find_spec(path) is not None:
                return True
        except (ImportError, ValueError):
            continue
    return False
