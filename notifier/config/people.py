"""PEOPLE and ONCALL, as they were read, -> people and rotations, and the mistakes that show only with the channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from notifier.channels import KINDS, load
from notifier.config.destinations import wrong_address
from notifier.config.people_schema import CalendarEntry, LayerEntry, LayersEntry, OneLayerEntry, PersonEntry
from notifier.config.problems import ADDRESS, CONTRADICTION, NAME, Loc, Problem, nearest, path, shown
from notifier.config.schema import Written
from notifier.facts import Recipient
from notifier.judge.oncall.people import Person
from notifier.judge.oncall.rotation import Layer, Member, Rotation
from notifier.judge.policy import ChannelConfig


def people_of(written: Written) -> dict[str, Person]:
    return {key: _person(key, entry) for key, entry in written.people.items()}


def _person(key: str, entry: PersonEntry) -> Person:
    return Person(key, entry.name or key, entry.addresses, entry.slack_id, entry.tz or "", entry.user)


def people_on(channel: ChannelConfig, people: Mapping[str, Person]) -> dict[str, Recipient]:
    """Everybody whom the channel can reach, by target key: also those without a turn, who may take over by override."""
    named = channel.prints or load(channel.kind).address_is_a_name  # what it does with a name is right
    found = (
        Recipient(
            channel.alias, channel.kind, one.address_on(channel.alias, channel.kind) or (key if named else ""), key
        )
        for key, one in people.items()
    )
    return {target.key: target for target in found if target.address}


def rotations_of(written: Written, tz: str) -> dict[str, Rotation]:
    """The rotations, each in its own zone or in that of NOTIFIER."""
    found = {}
    for name, entry in written.oncall.items():
        zone = entry.tz or tz
        found[name] = Rotation(
            name=name,
            tz=zone,
            layers=tuple(_layer(one, index, zone) for index, one in enumerate(_layers(entry))),
            handover_message=entry.handover_message,
            handover_test=entry.handover_test,
            slack_group=entry.slack_group,
            day_before=entry.day_before,
            ics=entry.ics if isinstance(entry, CalendarEntry) else "",
            allow_private=isinstance(entry, CalendarEntry) and entry.allow_private,
        )
    return found


def _layer(entry: LayerEntry, index: int, tz: str) -> Layer:
    tz = entry.tz or tz
    return Layer(
        name=getattr(entry, "name", None) or f"layer {index + 1}",
        tz=tz,
        start=entry.start,
        handovers=tuple(sorted({slot for slots in entry.handover for slot in slots})),
        members=tuple(Member(one.person or "", one.since, one.until) for one in entry.members),
        every=entry.every,
        hours=tuple(replace(rule, tz=tz) for rule in entry.hours),
        days_off_take_turn=entry.days_off_take_turn,
    )


def _layers(entry: OneLayerEntry | LayersEntry | CalendarEntry) -> tuple[LayerEntry, ...]:
    match entry:
        case LayersEntry():
            return entry.layers
        case OneLayerEntry():
            return (entry,)
    return ()


def people_problems(written: Written, raw: object) -> Iterator[Problem]:
    channels = raw.get("CHANNELS") if isinstance(raw, Mapping) else None
    named = {str(alias): "" for alias in channels} if isinstance(channels, Mapping) else {}  # also what is wrong itself
    kinds = named | {alias: entry.backend for alias, entry in written.channels.items()}
    for key, entry in written.people.items():
        yield from _addresses(key, entry, kinds, raw)
    yield from _told_apart(written, raw)
    yield from _one_group_each(written, raw)
    for name, rotation in written.oncall.items():
        for index, layer in enumerate(_layers(rotation)):
            at: Loc = ("ONCALL", name, *(("LAYERS", index) if isinstance(rotation, LayersEntry) else ()))
            for seat, member in enumerate(layer.members):
                if member.since and member.until and member.until < member.since:
                    where = path((*at, "MEMBERS", seat), raw)
                    yield Problem(where, "ends before it begins", 'Write "from" before "until".', id=CONTRADICTION)


def _one_group_each(written: Written, raw: object) -> Iterator[Problem]:
    """A user group in Slack has the members of one rotation: two would take it from each other."""
    first: dict[str, str] = {}
    for name, entry in written.oncall.items():
        other = first.setdefault(entry.slack_group, name) if entry.slack_group else name
        if other != name:
            text = f"is also that of {shown(other)}, and a group follows one rotation"
            yield Problem(path(("ONCALL", name, "SLACK_GROUP"), raw), text, "Give each its own.", id=CONTRADICTION)


def _addresses(key: str, entry: PersonEntry, kinds: Mapping[str, str], raw: object) -> Iterator[Problem]:
    for channel, address in entry.addresses.items():
        where = path(("PEOPLE", key, "ADDRESSES", channel), raw)
        kind = kinds.get(channel, channel if channel in KINDS else None)
        if kind is None:
            known = sorted({*kinds, *KINDS})
            yield Problem(where, f"there is no channel {shown(channel)}", nearest(channel, known), id=NAME)
        elif kind and (wrong := wrong_address(kind, address)):
            yield Problem(where, wrong, load(kind).EXAMPLE, id=ADDRESS)


def _told_apart(written: Written, raw: object) -> Iterator[Problem]:
    """Find ids and addresses of two people: an answer from there could be of either."""
    seen: dict[tuple[str, str], str] = {}
    for key, entry in written.people.items():
        addresses = {(kind, address) for kind, address in entry.addresses.items()}
        for what, value in (("SLACK_ID", entry.slack_id), ("USER", entry.user), *sorted(addresses)):
            first = seen.setdefault((what, value), key) if value else key
            if first != key:
                place = (what,) if what in {"SLACK_ID", "USER"} else ("ADDRESSES", what)
                text = f"is also that of {shown(first)}, so an answer could be of either"
                yield Problem(path(("PEOPLE", key, *place), raw), text, "Give each their own.", id=CONTRADICTION)
