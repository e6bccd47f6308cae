"""(facts of an exception, classes that the site calls transient) -> its kind, and whether waiting helps. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from alerts_runtime.failures import classes, codes
from alerts_runtime.failures.kinds import KINDS, UNKNOWN, Category, Kind, Retry
from alerts_runtime.failures.reading import Facts, canonical

# Which of several transient parts of a group decides: the highest number, for an outage that concerns every event.
_WEIGHT = {Category.DATABASE: 2, Category.STRIPE_API: 2, Category.NETWORK: 1}


@dataclass(frozen=True, slots=True)
class Judgement:
    kind: Kind
    transient: bool
    classes: tuple[str, ...] = ()  # of the exception that decided: a part of the group, or the cause
    peer: str = ""

    @property
    def retry(self) -> Retry:
        return Retry.PATIENT if self.transient else self.kind.retry


def judge(facts: Facts, transient: frozenset[str] = frozenset()) -> Judgement:
    """Judge an exception by its class and codes; a group by its worst part; one of unknown kind by its cause.

    `transient`: dotted paths of further classes that go away by themselves (WEBHOOKS["RETRY"]["TRANSIENT"]).
    """
    return _judge(facts, _known_as(transient))


def _judge(facts: Facts, transient: frozenset[str]) -> Judgement:
    if facts.parts:
        return max((_judge(part, transient) for part in facts.parts), key=_badness)
    kind = _kind(facts)
    heals = kind.transient or not transient.isdisjoint(facts.classes)
    own = Judgement(kind, heals, facts.classes, facts.peer or _peer_of_cause(facts))
    if kind is UNKNOWN and not heals and facts.cause:
        inner = _judge(facts.cause, transient)
        # Without `raise ... from` the earlier exception may have nothing to do with it, unless that was an outage.
        if inner.transient or (facts.explicit and inner.kind is not UNKNOWN):
            return inner
    return own


@lru_cache(maxsize=8)
def _known_as(paths: frozenset[str]) -> frozenset[str]:
    return frozenset(map(canonical, paths))


@lru_cache(maxsize=256)
def kind_of(paths: tuple[str, ...]) -> Kind:
    """The kind by the classes alone: the first row of `classes.ROWS` that names one of them."""
    return next((KINDS[name] for name, named in classes.ROWS if not _none_of(named, paths)), UNKNOWN)


def _none_of(named: tuple[str, ...], paths: tuple[str, ...]) -> bool:
    return frozenset(named).isdisjoint(paths)


def _kind(facts: Facts) -> Kind:
    name = _by_database(facts) or _by_smtp(facts) or _by_status(facts)
    if name:
        return KINDS[name]
    kind = kind_of(facts.classes)
    if kind.name in ("os-error", "not-allowed") and facts.errno in codes.ERRNOS:
        return KINDS[codes.ERRNOS[facts.errno]]
    return KINDS["http-request"] if facts.no_request and kind.name == "network" else kind


def _by_database(facts: Facts) -> str:
    name = (
        codes.by_beginning(codes.SQLSTATES, facts.sqlstate)
        or codes.by_beginning(codes.SQLITE, facts.sqlite)
        or codes.MYSQL.get(facts.mysql, "")
    )
    return "database-own-lock" if facts.own_lock and facts.sqlite.startswith("SQLITE_BUSY") else name


def _by_smtp(facts: Facts) -> str:
    if 400 <= facts.smtp < 500:
        return "mail-deferred"
    if 500 <= facts.smtp < 600:
        named = "smtplib.SMTPAuthenticationError" in facts.classes or facts.smtp in (530, 534, 535, 538)
        return "mail-credentials" if named else "mail-refused"
    return ""


def _by_status(facts: Facts) -> str:
    if facts.status < 400:
        return ""
    if "stripe.StripeError" in facts.classes:
        return codes.STRIPE.get(facts.status, "")
    return codes.SERVICE.get(facts.status, "http-request")


def _peer_of_cause(facts: Facts) -> str:
    cause = facts.cause
    while cause is not None:
        if cause.peer:
            return cause.peer
        cause = cause.cause
    return ""


def _badness(one: Judgement) -> tuple[bool, bool, int]:
    return (not one.transient, one.kind is not UNKNOWN, _WEIGHT.get(one.kind.category, 0))
