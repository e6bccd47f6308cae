"""Finds credentials that are set and cannot work: of the wrong kind, or for a mail backend that does not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from notifier.channels import load
from notifier.config import options
from notifier.config.problems import WRONG_CREDENTIALS, Problem, path
from notifier.judge.policy import Policy


def problems(policy: Policy, raw: object, name_of: Callable[[str], str]) -> Iterator[Problem]:
    """`name_of(name)`: the name by which people set a setting.

    Mail backends are made to find out, and not connected.
    """
    for channel in policy.channels.values():
        if channel.backend != channel.kind or channel.missing:
            continue
        where = path(("CHANNELS", channel.alias), raw)
        if wrong_settings := list(options.wrong_settings(channel)):
            for setting, wrong in wrong_settings:
                yield Problem(where, f"{name_of(setting)} {wrong}", id=WRONG_CREDENTIALS)
            continue
        provider = load(channel.kind)
        for option, wrong, hint in provider.wrong_options(channel.options):
            name = name_of(provider.SETTINGS[option]) if option in provider.SETTINGS else f'its option "{option}"'
            yield Problem(where, f"{name} {wrong}", hint, id=WRONG_CREDENTIALS)
