"""Reads from Django's settings which mail backend the site has, and finds out whether it can be used."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

# Django's default, SMTP on this machine, counts as no choice.
OURS = "EMAIL_BACKEND_PATH"  # set by core.settings, from the variable EMAIL_BACKEND; empty when that is not set


def backend() -> str:
    """The dotted path of the backend that the site has chosen; "" when it has not."""
    if hasattr(settings, OURS):
        return str(getattr(settings, OURS))
    if _has_mailers():
        return str(settings.MAILERS.get("default", {}).get("BACKEND", "")) if _is_own("MAILERS") else ""
    return str(settings.EMAIL_BACKEND) if _is_own("EMAIL_BACKEND") or _is_own("EMAIL_HOST") else ""


def setting() -> str:
    """The name of the setting by which this site chooses one."""
    return "EMAIL_BACKEND" if hasattr(settings, OURS) or not _has_mailers() else "MAILERS"


def wrong(path: str) -> str:
    """Why no mail can be sent by this backend, found by making one; "" when one can be made. Connects to nothing."""
    try:
        import_string(path)
        if not _has_mailers():
            mail.get_connection(path)
        elif settings.MAILERS.get("default", {}).get("BACKEND") == path:
            mailers: Any = mail.mailers  # Django 6.1
            mailers["default"]
    except ImportError as error:
        return f"cannot be imported: {error}"
    except ImproperlyConfigured as error:  # Anymail names the setting that it misses
        return f"cannot be used: {' '.join(str(error).split())}"
    except Exception as error:  # noqa: BLE001 - a backend's own code; its text may hold a secret
        return f"cannot be used: it raises {type(error).__name__}"
    return ""


def _has_mailers() -> bool:
    """https://docs.djangoproject.com/en/6.1/topics/email/: EMAIL_BACKEND still works where MAILERS is not set."""
    return django.VERSION >= (6, 1) and _is_own("MAILERS")


def _is_own(name: str) -> bool:
    lazy: Any = settings  # whose attributes the stubs know by core.settings alone
    return bool(lazy.is_overridden(name))
