"""Where something must be heard and nothing else works: the log at CRITICAL, and the site's ADMINS by mail."""

from __future__ import annotations

import threading
from functools import partial

from django.core.mail import mail_admins

from alerts_runtime.isolation.threads import daemon
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)
MAIL_EVERY = 900.0  # seconds, for one cause in one process; the log has each

_lock = threading.Lock()
_unsaid: dict[str, int] = {}  # how often since the mail, by causes of which there was one within the quarter of an hour


def say(cause: str, headline: str, text: str) -> None:
    """Never raises and touches no database; the mail goes off this thread. `cause` groups what may be one mail."""
    log.critical("last_resort.told", headline=headline, cause=cause, todo=text)
    mail(cause, headline, text)


def mail(cause: str, headline: str, text: str) -> None:
    """The mail alone: one for a cause and quarter of an hour, and at its end another that counts what came after it."""
    with _lock:
        if cause in _unsaid:
            _unsaid[cause] += 1
            return
        _unsaid[cause] = 0
    if not _begun(daemon("last-resort", partial(_mail, headline, text))):
        _mail(headline, text)
    rest = threading.Timer(MAIL_EVERY, _mail_rest, (cause, headline, text))
    rest.daemon = True
    _begun(rest)


def _mail_rest(cause: str, headline: str, text: str) -> None:
    with _lock:
        more = _unsaid.pop(cause, 0)
    if more:
        mail(cause, headline, f"{text}\n\n{more:,} more of this kind came since the last mail; the log has each.")


def _begun(thread: threading.Thread) -> bool:
    """False: no thread begins while the process ends."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def _mail(headline: str, text: str) -> None:
    try:
        mail_admins(headline.replace("\n", " "), text)
    except Exception:  # the log has it already; this thread has nobody to tell
        log.exception("admins.not_mailed")
