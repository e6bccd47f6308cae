"""Reads NOTIFIER into the Policy that everything else uses. Each key is explained in docs/settings.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from notifier.channels import mail_backend
from notifier.config.build import build, matcher_of
from notifier.config.destinations import Site
from notifier.config.doubts import doubts
from notifier.config.problems import TWINS, UNFINISHED, Problem, of_error
from notifier.config.schema import MatchEntry, Written, keys_at
from notifier.judge.match import Matcher
from notifier.judge.policy import Policy

MAIL_BACKEND = "EMAIL_BACKEND"


def get_policy() -> Policy:
    """The policy of this process, read from the settings at the first call.

    Raises ImproperlyConfigured, with every mistake, when NOTIFIER cannot be used. A credential that is not set is no
    such mistake: messages go to the channel's failover, and `manage.py check` reports it.
    """
    return _policy()


def parse(
    raw: object,
    setting: Callable[[str], object] = lambda _: None,
    *,
    twins: bool = False,
    tz: str = "UTC",
    name_of: Callable[[str], str] = str,
) -> tuple[Policy | None, list[Problem]]:
    """The policy, or None when NOTIFIER cannot be used; and everything that is wrong or doubtful. Never raises.

    `raw`: NOTIFIER as it is written. `setting(name)`: the value of a Django setting, or None. `twins`: a channel
    without credentials or recipients prints to the terminal. `tz`: TIME_ZONE, used where NOTIFIER has no TZ.
    `name_of(name)`: the name by which people set that setting on this site.
    """
    site = Site(setting, twins, tz, name_of)
    written, errors = _written(raw)
    problems = [of_error(error, raw, keys_at) for error in errors]
    if written is None:
        rest, _ = _written(_without(raw, errors), raw)
        return None, problems + (build(rest, raw, site)[1] if rest else [])
    policy, more = build(written, raw, site)
    problems += more
    if any(problem.level == "error" and problem.id not in UNFINISHED for problem in problems):
        return None, problems
    return policy, [*problems, *_twins(policy), *doubts(written, policy, raw, site)]


def parse_match(raw: Mapping[str, object]) -> Matcher:
    """The matcher for a "match" as it is written in ROUTES. Raises ValueError, in sentences, with every mistake."""
    try:
        return matcher_of(MatchEntry.model_validate(raw))
    except ValidationError as error:
        known = list(MatchEntry.model_fields)
        found = [of_error(one, raw, lambda _: known, "match") for one in _errors(error)]
    raise ValueError(" ".join(map(str, found)))


def read_settings() -> tuple[Policy | None, list[Problem]]:
    """`parse` for this process's settings."""
    return parse(
        getattr(settings, "NOTIFIER", {}),
        _setting,
        twins=bool(settings.DEBUG or getattr(settings, "DEMO", False)),
        tz=settings.TIME_ZONE,
        name_of=name_of,
    )


def name_of(name: str) -> str:
    """The name by which people set one of Django's settings on this site."""
    return mail_backend.setting() if name == MAIL_BACKEND else name


def _setting(name: str) -> object:
    return mail_backend.backend() if name == MAIL_BACKEND else getattr(settings, name, None)


def _twins(policy: Policy) -> list[Problem]:
    twins = [channel for channel in policy.channels.values() if channel.backend != channel.kind]
    if not twins:
        return []
    unset = [f"{channel.alias} ({', '.join(channel.missing) or 'recipients'} not set)" for channel in twins]
    text = f"messages are printed here instead of being sent: {', '.join(unset)}"
    hint = "Set these to send; with DEBUG and DEMO off, nothing is printed in their place."
    return [Problem('NOTIFIER["CHANNELS"]', text, hint, level="warning", id=TWINS)]


def _written(raw: object, whole: object = None) -> tuple[Written | None, list[ErrorDetails]]:
    """`raw` read by pydantic. `whole`: the table of which `raw` is the readable part; names of people and rotations
    that are in it count as known.
    """
    named = whole or raw
    names = {
        "aliases": _names(raw, "CHANNELS"),
        "people": _names(named, "PEOPLE"),
        "rotations": _names(named, "ONCALL"),
    }
    try:
        return Written.model_validate(raw, context=names), []
    except ValidationError as error:
        return None, _errors(error)


def _names(raw: object, section: str) -> set[str] | None:
    """The names that a section defines, for other parts to use; None when the section cannot be read."""
    entries = raw.get(section, {}) if isinstance(raw, Mapping) else None
    return set(map(str, entries)) if isinstance(entries, Mapping) else None


def _without(raw: object, errors: list[ErrorDetails]) -> object:
    """The table without what pydantic has refused, so that mistakes in the rest are found in the same run."""
    if not isinstance(raw, Mapping):
        return {}
    places = {error["loc"][:2] for error in errors}
    sections = {place[0] for place in places if place[:1] != ("CHANNELS",) or len(place) < 2}
    rest = {key: value for key, value in raw.items() if key not in sections}
    if isinstance(rest.get("CHANNELS"), Mapping):
        rest["CHANNELS"] = {
            alias: entry for alias, entry in rest["CHANNELS"].items() if ("CHANNELS", alias) not in places
        }
    return rest


def _errors(error: ValidationError) -> list[ErrorDetails]:
    """pydantic's errors, with paths as people write them: without the name of the form that an entry was read as."""
    found = error.errors(include_url=False, include_input=False)
    for one in found:
        if one["loc"][:1] == ("ROUTES",):
            one["loc"] = (*one["loc"][:1], *one["loc"][2:])
        if one["loc"][:1] == ("ONCALL",):
            one["loc"] = (*one["loc"][:2], *one["loc"][3:])
    return found


@cache
def _policy() -> Policy:
    policy, problems = read_settings()
    if policy is None:
        lines = "\n".join(f"- {problem}" for problem in problems if problem.level == "error")
        raise ImproperlyConfigured(f"The setting NOTIFIER cannot be used:\n{lines}")
    return policy


def _forget(**_: Any) -> None:
    """Any setting may be a credential of some channel."""
    _policy.cache_clear()


setting_changed.connect(_forget, dispatch_uid="notifier.config.conf")
