"""Takes secrets and personal data out of any text before it is stored, logged or sent.

What is taken out leaves a mark that says what it was: `[secret]`, `[card]`, `[email]`, `[phone]`, `[data]`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from django.conf import global_settings, settings

from alerts_runtime.redaction import rules
from alerts_runtime.redaction.look_alikes import in_one_form
from alerts_runtime.redaction.named import SECRET_NAME
from alerts_runtime.redaction.table import SECRET

SHORT = 200  # characters
SHORTEST_LITERAL = 8  # a shorter literal would also be found in ordinary words

# Of Django's own settings these hold secrets; its others have names that sound like it (AUTH_USER_MODEL) and none.
_OF_DJANGO = frozenset(
    ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "EMAIL_HOST_PASSWORD", "DATABASES", "CACHES", "MAILERS", "STORAGES", "TASKS"]
)
# As Django's error reporter goes by parts of names; with these a value must look like a secret as well.
# https://docs.djangoproject.com/en/stable/howto/error-reporting/#filtering-error-reports
_SOUNDS_SECRET = re.compile(r"TOKEN|KEY|SECRET|PASS|SIGNATURE|CREDENTIAL", re.IGNORECASE)
_DOTTED_PATH = re.compile(r"[a-z_]+(?:\.[a-z_]+)*\.[A-Za-z_]+")
_DEEPEST = 6
# What libraries read from there by themselves: boto3, and what the settings build a broker's connection of.
_ENVIRONMENT = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "BROKER_URL", "REDIS_URL")
_CUT = re.compile(r"… \[([0-9,]{1,20}) characters cut\]\Z")


def redact(text: str, *, limit: int | None = None) -> str:
    """The text without secrets and personal data, at most `limit` characters long, safe to store.

    What is cut off is counted at the end: `… [1,234 characters cut]`. Redacting twice changes nothing.
    """
    if limit is None and rules.is_plain(text) and _hide_literals(text) == text:
        return text
    if limit is None and len(text) <= SHORT:
        return _redact_short(text, known_secrets())
    return _redact(text, limit)


@lru_cache(maxsize=1000)
def _redact_short(text: str, _known_secrets: tuple[str, ...]) -> str:
    """Cached, since the values of log lines repeat, and in a storm the patterns took a twelfth of a failure's time."""
    return _redact(text, None)


def _redact(text: str, limit: int | None) -> str:
    body, already_cut = _split_cut(in_one_form(text))
    body = _settle(body)
    if limit is not None and len(body) + len(_cut_note(already_cut)) > limit:
        body, already_cut = _shorten(body, already_cut, limit)
    return body + _cut_note(already_cut)


def known_secrets() -> tuple[str, ...]:
    """The secrets in Django's settings and the environment, longest first; none while there are no settings yet."""
    return _secrets_of_settings() if settings.configured else ()


@lru_cache(maxsize=1)
def _secrets_of_settings() -> tuple[str, ...]:
    is_set = settings.is_overridden  # type: ignore[misc] # django-stubs does not know it
    found = {
        literal
        for name in dir(settings)
        if name.isupper() and is_set(name) and (name in _OF_DJANGO or not hasattr(global_settings, name))
        for literal in _literals(name, getattr(settings, name))
        if len(literal) >= SHORTEST_LITERAL
    }
    found |= {literal for name in _ENVIRONMENT if len(literal := _environment(name)) >= SHORTEST_LITERAL}
    found |= {quote(literal, safe="") for literal in found}  # as it stands in a URL
    return tuple(sorted(found, key=len, reverse=True))  # the longer first: one may contain another


def _literals(name: str, value: Any, depth: int = 0) -> Iterator[str]:
    """The secrets in the value of a setting, whatever its name: by the names within it, and passwords of URLs."""
    if isinstance(value, Mapping) and depth < _DEEPEST:
        for key, item in value.items():
            yield from _literals(str(key), item, depth + 1)
    elif isinstance(value, list | tuple | set | frozenset) and depth < _DEEPEST:
        for item in value:
            yield from _literals(name, item, depth + 1)
    elif isinstance(value, str) and (SECRET_NAME.search(name) or _looks_secret(name, value)):
        yield value
    elif isinstance(value, str) and "://" in value and (password := _password(value)):
        yield password


def _looks_secret(name: str, value: str) -> bool:
    readable = "://" in value or " " in value or _DOTTED_PATH.fullmatch(value)
    return bool(_SOUNDS_SECRET.search(name) and not readable and re.search(r"\d", value))


def _password(url: str) -> str:
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:  # no URL
        return ""


def _environment(name: str) -> str:
    """A variable's value; of a URL its password."""
    value = os.environ.get(name, "")
    return _password(value) if name.endswith("_URL") and "://" in value else value


def _settle(text: str) -> str:
    """Apply the rules until nothing changes: taking out one secret can make another visible to them."""
    for _ in range(8):
        redacted = rules.apply(_hide_literals(text))
        if redacted == text:
            break
        text = redacted
    return text


def _hide_literals(text: str) -> str:
    for literal in known_secrets():
        text = text.replace(literal, SECRET)
    return text


def _split_cut(text: str) -> tuple[str, int]:
    found = _CUT.search(text[-60:])
    if not found:
        return text, 0
    return text[: len(text) - len(found[0])], int(found[1].replace(",", "") or 0)


def _cut_note(count: int) -> str:
    return f"… [{count:,} characters cut]" if count else ""


def _shorten(body: str, already_cut: int, limit: int) -> tuple[str, int]:
    note = len(_cut_note(already_cut + len(body)))
    room = aim = limit - note if limit > note else limit
    kept = body
    while len(kept) > room:
        kept = _settle(_cut(kept, max(aim, 0)))
        aim -= len(SECRET)  # a mark may be longer than what it hides
    return kept, already_cut + len(body) - len(kept) if limit > note else 0


def _cut(text: str, length: int) -> str:
    """Cut between words where possible; never within a number or a mark, whose half would look like something else."""
    if space := re.search(r"\s\S{0,80}\Z", text[: length + 1]):
        return text[: space.start()].rstrip()
    return re.sub(r"\[[a-z]{0,8}\Z", "", text[:length].rstrip("0123456789 ()./+-"))
