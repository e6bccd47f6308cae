"""Where something must be heard and nothing else works: the log at CRITICAL, and the site's ADMINS by mail."""

from __future__ import annotations

import threading
import time
from collections import Counter

import structlog
from django.core.mail import mail_admins

from core.threads import daemon

log = structlog.get_logger(__name__)
MAIL_EVERY = 900.0  # seconds, for one cause in one process; the log has each

_lock = threading.Lock()
_mail_at: dict[str, float] = {}
_unsaid: Counter[str] = Counter()


def say(cause: str, headline: str, text: str) -> None:
    """Never raises and touches no database; the mail goes off this thread. `cause` groups what may be one mail."""
    log.critical(headline, cause=cause, todo=text)
    with _lock:
        now = time.monotonic()
        if now < _mail_at.get(cause, now):
            _unsaid[cause] += 1
            return
        _mail_at[cause] = now + MAIL_EVERY
        more = _unsaid.pop(cause, 0)
    if more:
        text += f"\n\nSince the last mail of this kind it happened {more} more times; the log has each."
    try:
        daemon("last-resort", lambda: _mail(headline, text)).start()
    except RuntimeError:  # no thread begins while the process ends
        _mail(headline, text)


def _mail(headline: str, text: str) -> None:
    try:
        mail_admins(headline.replace("\n", " "), text)
    except Exception:  # the log has it already; this thread has nobody to tell
        log.exception("the admins could not be mailed")
