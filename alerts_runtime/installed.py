"""Refuses to start when an app of this package is missing, or hidden by a module of the site's with the same name."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

HOME = Path(__file__).resolve().parent.parent
OURS = ("alerts_runtime", "notifier", "webhooks")


def check(app: str) -> None:
    """Called while `app` is loaded. Raises ImproperlyConfigured."""
    if not apps.is_installed("alerts_runtime"):
        raise ImproperlyConfigured(f"{app!r} stands on 'alerts_runtime': add that to INSTALLED_APPS too.")
    refuse_hidden(settings.INSTALLED_APPS)


def refuse_hidden(installed: Iterable[str], home: Path = HOME) -> None:
    """Raise ImproperlyConfigured when one of our names leads to somebody else's module, as Python's path has it."""
    names = {entry.partition(".")[0] for entry in installed}
    # Fed by dj-stripe nothing of our `webhooks` is needed, and the name is free for an app of the site's own.
    free = {"webhooks"} if "djstripe" in names else set()
    for name in names & set(OURS) - free:
        place = _place(name)
        if place is not None and place != home / name:
            raise ImproperlyConfigured(
                f"INSTALLED_APPS has {name!r}, which here is {_shown(place)}. It hides the {name!r} of "
                f"stripe-webhook-alerts in {home}, so that is never loaded. Rename the site's own module, or take "
                f"the apps of stripe-webhook-alerts out of INSTALLED_APPS."
            )


def _place(name: str) -> Path | None:
    """The folder of a package, or the file of a module."""
    spec = find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin).resolve() if spec.origin else None


def _shown(place: Path) -> str:
    return f"{place / '__init__.py'}" if (place / "__init__.py").exists() else str(place)
