"""One entry of CHANNELS, with the credentials in the settings, -> a Channel, and what is missing or wrong in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from alerts_runtime.redaction.redact import redact
from notifier.channels import KINDS, load
from notifier.channels.base import Channel as Provider
from notifier.config.options import option_problems
from notifier.config.people_schema import OnCall
from notifier.config.problems import (
    ADDRESS,
    CREDENTIALS,
    NOT_SET_UP,
    RECIPIENTS,
    Loc,
    Problem,
    path,
    shown,
)
from notifier.config.schema import ChannelEntry, LimitEntry, Written
from notifier.facts import Recipient
from notifier.judge.policy import ChannelConfig, Limits, Quiet

TWIN = "console"
MAX_ADDRESS = 200  # as long as its column


@dataclass(frozen=True, slots=True)
class Site:
    """What NOTIFIER itself does not say."""

    setting: Callable[[str], object]  # the value of a Django setting, or None
    twins: bool = False  # channels without credentials or recipients print to the terminal
    tz: str = "UTC"  # TIME_ZONE
    name_of: Callable[[str], str] = str  # the name by which people set a setting


def channel_of(alias: str, written: Written, site: Site) -> ChannelConfig:
    """The channel; or, with `site.twins`, its console twin when credentials or recipients are not set."""
    entry = written.channels[alias]
    provider = load(entry.backend)
    options = _options(provider, entry, site)
    missing = _missing(alias, entry, options, site)
    addresses = tuple(dict.fromkeys(one for one in entry.to if isinstance(one, str)))
    rotations = tuple(dict.fromkeys(one.rotation for one in entry.to if isinstance(one, OnCall)))
    if not entry.to and provider.address_is_a_name:
        addresses = (alias,)
    twin = site.twins and bool(missing or not (addresses or rotations))
    if twin and not (addresses or rotations):
        addresses = (provider.STAND_IN or alias,)
    return ChannelConfig(
        alias=alias,
        kind=entry.backend,
        backend=TWIN if twin else entry.backend,
        targets=tuple(Recipient(alias, entry.backend, address) for address in addresses),
        options={"as": entry.backend} if twin else options,
        missing=missing,
        failover=entry.failover,
        failover_after=entry.failover_after,
        quiet=tuple(_quiet(alias, written, written.tz or site.tz)),
        limits=_limits(provider, written.limits.get(alias, LimitEntry())),
        rotations=rotations,
        wakes=provider.wakes,
        costs=provider.costs,
    )


def _options(provider: type[Provider], entry: ChannelEntry, site: Site) -> dict[str, object]:
    known = {option: site.setting(name) for option, name in provider.SETTINGS.items()}
    return {option: value for option, value in {**known, **entry.options}.items() if value not in (None, "")}


def _missing(alias: str, entry: ChannelEntry, options: dict[str, object], site: Site) -> tuple[str, ...]:
    """The required options that are not set, by the names under which people set them."""
    provider = load(entry.backend)
    names = (provider.SETTINGS.get(name, f'{alias}["OPTIONS"]["{name}"]') for name in provider.missing(options))
    return tuple(map(site.name_of, names))


def _quiet(alias: str, written: Written, tz: str) -> Iterator[Quiet]:
    for name, entry in written.quiet_hours.items():
        if alias in entry.channels:
            yield Quiet(name, tuple(replace(hours, tz=entry.tz or tz) for hours in entry.hours), entry.unless)


def _limits(provider: type[Provider], entry: LimitEntry) -> Limits:
    return Limits(
        windows=provider.RATES if entry.rates is None else entry.rates,
        critical=provider.CRITICAL_RATES if entry.rates is None else (),
        messages_per_day=entry.messages_per_day,
        money_per_day=entry.money_per_day,
        price_per_part=entry.price_per_part or Decimal(0),
        overflow=entry.overflow,
    )


# --- what is wrong with it ----------------------------------------------------------------------------------------


def problems_of(channel: ChannelConfig, entry: ChannelEntry, raw: object, site: Site) -> Iterator[Problem]:
    at: Loc = ("CHANNELS", channel.alias)
    yield from option_problems(channel, entry.options, (*at, "OPTIONS"), raw)
    for index, address in enumerate(entry.to):
        if isinstance(address, OnCall):
            continue
        wrong = "is too long" if len(address) > MAX_ADDRESS else wrong_address(channel.kind, address)
        if wrong:
            yield Problem(path((*at, "TO", index), raw), wrong, load(channel.kind).EXAMPLE, id=ADDRESS)
    if channel.backend == channel.kind:
        yield from _unfinished(channel, path(at, raw), site)


def wrong_address(kind: str, address: str) -> str:
    """What is wrong with an address, or "". The address is not repeated: it is personal, or a misplaced secret."""
    wrong = (load(kind).check_address(address) or "").removeprefix(f"{address!r} ")
    wrong = wrong.replace(repr(address), "this")
    if kind not in KINDS and address:  # a site's own class may show it otherwise
        wrong = wrong.replace(address, "this")
    if load(kind).EXAMPLE:
        wrong = wrong.partition(":")[0]
    return redact(re.sub(r"as \+\d+", "in full", wrong))


def _unfinished(channel: ChannelConfig, where: str, site: Site) -> Iterator[Problem]:
    """What a channel still lacks. Without credentials it is an error if it has recipients; without both it was not set
    up, which is a warning.
    """
    unset = ", ".join(channel.missing)
    are = "are" if len(channel.missing) > 1 else "is"
    setting = load(channel.kind).RECIPIENTS
    people = setting if setting and site.setting(setting) is not None else 'its "TO"'
    remove = 'or remove the channel from NOTIFIER["CHANNELS"] and from where it is named'
    if channel.missing and not (channel.targets or channel.rotations):
        text = f"is not set up, so nobody is told by it: it has no recipients, and {unset} {are} not set"
        yield Problem(where, text, f"Set {people}, {unset}, {remove}.", level="warning", id=NOT_SET_UP)
    elif channel.missing:
        meanwhile = (
            f"to {shown(channel.failover)}, its failover" if channel.failover else "to the log and by mail to ADMINS"
        )
        text = f"cannot send: {unset} {are} not set. Until then its messages go {meanwhile}"
        yield Problem(where, text, f"Set {unset}, {remove}.", id=CREDENTIALS)
    elif not (channel.targets or channel.rotations):
        yield Problem(where, "has no recipients, so nobody is told by it", f"Set {people}, {remove}.", id=RECIPIENTS)
