"""The options of a channel, from the table and from Django's settings: which it knows, and of which kind they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from notifier.channels import KINDS, load
from notifier.config.problems import NAME, VALUE, Loc, Problem, nearest, path, shown
from notifier.judge.policy import ChannelConfig

_LONGEST = 86_400  # seconds
# What an option is besides a text. A site's own channel class takes what it likes.
_NUMBERS, _FLAGS, _LISTS = ("timeout", "validity_period"), ("links",), ("teams", "channels")


def option_problems(channel: ChannelConfig, given: Mapping[str, object], at: Loc, raw: object) -> Iterator[Problem]:
    """Of the options that are written in the table."""
    provider = load(channel.kind)
    known = sorted({*provider.SETTINGS, *provider.OPTIONS})
    for name, value in given.items():
        if name not in known:
            yield Problem(path(at, raw), f"{channel.kind} has no option {shown(name)}", nearest(name, known), id=NAME)
        elif wrong := _wrong(channel.kind, name, value):
            yield Problem(path((*at, name), raw), wrong, id=VALUE)


def wrong_settings(channel: ChannelConfig) -> Iterator[tuple[str, str]]:
    """Of those that Django's settings give: the setting, and what is wrong with it."""
    for name, setting in load(channel.kind).SETTINGS.items():
        if name in channel.options and (wrong := _wrong(channel.kind, name, channel.options[name])):
            yield setting, wrong


def _wrong(kind: str, name: str, value: object) -> str:
    if value is None:  # as if it were left out
        return ""
    if name in _NUMBERS:
        return "" if _is_seconds(value) else "must be a number of seconds above 0"
    if kind not in KINDS:
        return ""
    if name in _FLAGS:
        return "" if isinstance(value, bool) else "must be True or False"
    if name in _LISTS:
        return "" if _are_texts(value) else "must be a list of ids"
    if not isinstance(value, str):
        return "must be a text"
    if value != value.strip() or not value.isprintable():
        return "has a line break, an invisible character, or a blank at one of its ends"
    return ""


def _are_texts(value: object) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, str)


def _is_seconds(value: object) -> bool:
    try:
        return isinstance(value, str | int | float | Decimal) and 0 < float(str(value)) < _LONGEST
    except ValueError:
        return False
