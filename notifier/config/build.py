"""NOTIFIER, as it was read, -> the frozen Policy, and the mistakes that show only when its parts are put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from django.utils.module_loading import import_string

from notifier.config import steps
from notifier.config.destinations import Site, channel_of, problems_of
from notifier.config.fields import REST
from notifier.config.people import people_of, people_on, people_problems, rotations_of
from notifier.config.problems import CONTRADICTION, Problem, path, shown
from notifier.config.schema import Cadence, MatchEntry, RouteEntry, Written
from notifier.facts import Category, Severity, Timing
from notifier.judge.escalation import Step
from notifier.judge.match import Matcher, canonical
from notifier.judge.policy import DigestPlan, Inhibition, Policy, Route, Rule, Watch

# While the parent is open, the child is only its consequence. `"INHIBIT": []` switches these off.
INHIBITIONS = (
    Inhibition(
        "database down",
        parent=Matcher(min_severity=Severity.ERROR, categories=(Category.DATABASE,)),
        child=Matcher(categories=(Category.WORKER,)),  # among them events that wait too long for a worker
    ),
    Inhibition(
        "Stripe unreachable",
        parent=Matcher(categories=(Category.STRIPE_API,)),
        child=Matcher(categories=(Category.RATE_LIMIT,)),
    ),
)


def build(written: Written, raw: object, site: Site) -> tuple[Policy, list[Problem]]:
    """The policy, and the problems that no single value shows. With an error that is not in UNFINISHED the policy must
    not be used.
    """
    tz = written.tz or site.tz
    channels = {alias: channel_of(alias, written, site) for alias in written.channels}
    problems = [
        problem
        for alias, entry in written.channels.items()
        for problem in problems_of(channels[alias], entry, raw, site)
    ]
    problems += _contradictions(written, raw)
    problems += people_problems(written, raw)
    people = people_of(written)
    policy = Policy(
        channels={
            alias: replace(one, people=people_on(one, people)) if one.rotations else one
            for alias, one in channels.items()
        },
        rules=tuple(_rules(written)),
        routes=tuple(_routes(written)),
        digests=tuple(_digests(written, tz)),
        inhibitions=INHIBITIONS if written.inhibit is None else tuple(_inhibitions(written)),
        watch=Watch(expect=written.expect, **written.watch.model_dump()),
        people=people,
        rotations=rotations_of(written, tz),
        tz=tz,
        quiet_period=written.quiet_period,
        acknowledge_for=written.acknowledge_for,
        resolve_after=written.resolve_after,
        forget_after=written.forget_after,
        retention=written.retention,
        release=written.release.strip(),
    )
    return policy, problems


def matcher_of(entry: MatchEntry) -> Matcher:
    severities, least = _severities(entry)
    return Matcher(
        min_severity=least,
        severities=severities,
        categories=entry.category or (),
        sources=entry.source or (),
        events=entry.event or (),
        exceptions=tuple(map(defined_at, entry.exception or ())),
        livemode=entry.livemode,
        endpoints=entry.endpoint or (),
        accounts=entry.account or (),
        min_amounts=entry.amount,
        min_attempt=entry.attempt,
        context=entry.context,
        fingerprints=entry.fingerprint or (),
    )


def defined_at(path: str) -> str:
    """The path where a class is defined: `requests.ConnectionError` is `requests.exceptions.ConnectionError`.

    An exception is known by that path. A class that cannot be imported here keeps the path that was written.
    """
    if "." not in path:
        return path
    try:
        found = import_string(path)
    except Exception:  # noqa: BLE001 - whatever a site's module raises when it is imported here
        return path
    return canonical(f"{found.__module__}.{found.__qualname__}") if isinstance(found, type) else path


def _severities(entry: MatchEntry) -> tuple[tuple[Severity, ...], Severity | None]:
    match entry.severity:
        case None:
            return (), None
        case ((least, True),):
            return (), least
        case terms:
            chosen = {one for one in Severity for severity, up in terms if one == severity or (up and one > severity)}
            return tuple(sorted(chosen)), None


def by_severity(table: Mapping[str, object]) -> dict[str, tuple[Severity, ...]]:
    """Which severities each row of a severity table stands for.

    A severity is that of the row with its name, else of the highest ">=" that includes it, else of "*".
    """
    rows: dict[str, list[Severity]] = {key: [] for key in table}
    for severity in Severity:
        at_least = [f">={other.label}" for other in sorted(Severity, reverse=True) if other <= severity]
        row = next((key for key in (severity.label, *at_least, REST) if key in table), None)
        if row is not None:
            rows[row].append(severity)
    return {key: tuple(severities) for key, severities in rows.items()}


def _rules(written: Written) -> Iterator[Rule]:
    for index, entry in enumerate(written.classify):
        yield Rule(
            name=entry.name or f"CLASSIFY[{index}]",
            matcher=matcher_of(entry.match),
            severity=entry.severity,
            category=entry.category,
            transient=entry.transient,
            title=entry.title,
            hint=entry.hint,
            fingerprint=entry.fingerprint,
            ignore=entry.ignore,
        )


def _routes(written: Written) -> Iterator[Route]:
    if isinstance(written.routes, dict):
        for key, severities in by_severity(written.routes).items():
            if severities:
                matcher, to = Matcher(severities=severities), _once(written.routes[key])
                yield Route(key, matcher, to, _timing(written.defaults), written.defaults.after_attempts)
        return
    for index, entry in enumerate(written.routes):
        cadence = _cadence(entry, written.defaults)
        yield Route(
            name=entry.name or f"ROUTES[{index}]",
            matcher=matcher_of(entry.match),
            to=_once(entry.to),
            timing=_timing(cadence),
            after_attempts=cadence.after_attempts,
            go_on=entry.go_on,
            escalate=tuple(Step(one.after, _once(one.to), one.each, one.last_resort) for one in entry.escalate),
            repeat_steps=entry.repeat_steps,
        )


def _cadence(entry: RouteEntry, defaults: Cadence) -> Cadence:
    """The route's cadence, with what it leaves out taken from DEFAULTS."""
    own = entry.model_fields_set & Cadence.model_fields.keys()
    return defaults.model_copy(update={name: getattr(entry, name) for name in own})


def _timing(cadence: Cadence) -> Timing:
    return Timing(cadence.wait, cadence.interval, cadence.repeat, cadence.resolved)


def _once(aliases: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(aliases))


def _digests(written: Written, tz: str) -> Iterator[DigestPlan]:
    for name, entry in written.digests.items():
        yield DigestPlan(name, _once(entry.to), entry.at, entry.every, entry.tz or tz, entry.weekday, entry.when_quiet)


def _inhibitions(written: Written) -> Iterator[Inhibition]:
    for index, entry in enumerate(written.inhibit or ()):
        yield Inhibition(entry.name or f"INHIBIT[{index}]", matcher_of(entry.parent), matcher_of(entry.child))


def _contradictions(written: Written, raw: object) -> Iterator[Problem]:
    for alias, channel in written.channels.items():
        if channel.failover == alias:
            where = path(("CHANNELS", alias, "FAILOVER"), raw)
            yield Problem(where, "a channel cannot stand in for itself", "Name another, or none.", id=CONTRADICTION)
    for alias, limit in written.limits.items():
        if limit.overflow == alias:
            where = path(("LIMITS", alias, "OVERFLOW"), raw)
            yield Problem(where, "a channel cannot take its own overflow", "Name another, or none.", id=CONTRADICTION)
        if limit.money_per_day is not None and limit.price_per_part is None:
            where = path(("LIMITS", alias), raw)
            text = "MONEY_PER_DAY cannot be reckoned without a price"
            yield Problem(where, text, 'Add "PRICE_PER_PART", what one part of an SMS costs.', id=CONTRADICTION)
    for loc, text, hint, id_ in steps.mistakes(written):
        yield Problem(path(loc, raw), text, hint, id=id_)
    if not isinstance(written.routes, dict):
        names = Counter(route.name for route in written.routes if route.name)
        for index, route in enumerate(written.routes):
            if route.name and names[route.name] > 1:
                where = path(("ROUTES", index, "name"), raw)
                yield Problem(where, f"several routes are called {shown(route.name)}", "Rename one.", id=CONTRADICTION)
