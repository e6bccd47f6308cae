"""Endpoints in NOTIFIER that WEBHOOKS does not have: a route for a misspelt one never matches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase

from notifier.config.destinations import Site
from notifier.config.matches import matches_of
from notifier.config.problems import NEVER, Doubt, nearest, shown
from notifier.config.schema import Written


def doubts(written: Written, site: Site) -> Iterator[Doubt]:
    if not (known := _known(site)):
        return
    for at, match in matches_of(written):
        for name in match.endpoint or ():
            if name and not any(fnmatchcase(one, name) for one in known):  # "": what came in at none
                where = 'WEBHOOKS["ENDPOINTS"] has no'
                yield (*at, "endpoint"), f"never matches: {where} {shown(name)}", nearest(name, known), NEVER


def _known(site: Site) -> Collection[str]:
    """None where endpoints are rows of a table, as dj-stripe's are."""
    webhooks, apps = site.setting("WEBHOOKS"), site.setting("INSTALLED_APPS")
    endpoints = webhooks.get("ENDPOINTS") if isinstance(webhooks, Mapping) else None
    with_rows = isinstance(apps, list | tuple) and "djstripe" in apps
    return [] if with_rows or not isinstance(endpoints, Mapping) else [str(one) for one in endpoints]
