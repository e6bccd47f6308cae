"""Whether one matcher matches everything that another matches. Pure.

True is always right; False may only mean that it cannot be told from the patterns. So a warning may be missing, but
none is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from notifier.facts import Severity
from notifier.judge.match import Matcher, canonical


def severities_of(matcher: Matcher) -> frozenset[Severity]:
    """The severities that a matcher lets through."""
    return frozenset(
        severity
        for severity in Severity
        if (matcher.min_severity is None or severity >= matcher.min_severity)
        and (not matcher.severities or severity in matcher.severities)
    )


def covers(a: Matcher, b: Matcher) -> bool:
    """Whether `a` matches whatever `b` matches, the severity aside."""
    return (
        (not a.categories or _within(b.categories, a.categories))
        and _covers_globs(a.sources, b.sources)
        and _covers_globs(a.events, b.events)
        and (not a.exceptions or _within(_canonical(b.exceptions), _canonical(a.exceptions)))
        and (a.livemode is None or a.livemode is b.livemode)
        and _covers_globs(a.endpoints, b.endpoints)
        and _covers_globs(a.accounts, b.accounts)
        and _covers_amounts(a.min_amounts, b.min_amounts)
        and (a.min_attempt or 1) <= (b.min_attempt or 1)
        and all(
            _covers_globs((glob,), (b.context[key],) if key in b.context else ()) for key, glob in a.context.items()
        )
        and (not a.fingerprints or _within(b.fingerprints, a.fingerprints))
    )


def _canonical(paths: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(canonical, paths))


def _within(some: tuple[object, ...], all_: tuple[object, ...]) -> bool:
    return bool(some) and set(some) <= set(all_)


def _covers_globs(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    if not a or "*" in a:
        return True
    return bool(b) and all(any(_covers_glob(wide, narrow) for wide in a) for narrow in b)


def _covers_glob(wide: str, narrow: str) -> bool:
    """Whether the pattern `wide` matches all that `narrow` does. With no wildcard but `*` it is enough that it matches
    `narrow` as a text.
    """
    return wide == narrow or ("?" not in wide and "[" not in wide + narrow and fnmatchcase(narrow, wide))


def _covers_amounts(a: Mapping[str, int], b: Mapping[str, int]) -> bool:
    return not a or (bool(b) and all(currency in a and a[currency] <= least for currency, least in b.items()))
