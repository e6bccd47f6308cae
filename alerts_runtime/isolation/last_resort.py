"""The last resort, for what people must hear when no channel works: a CRITICAL log line, and a mail to ADMINS."""

from __future__ import annotations

import threading
from functools import partial

from django.core.mail import mail_admins

from alerts_runtime.isolation.threads import daemon
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)
MAIL_EVERY = 900.0  # seconds, for one cause in one process; the log has each

_lock = threading.Lock()
_unsaid: dict[str, int] = {}  # by cause, while no further mail may be sent: how often it was said since the last


def say(cause: str, headline: str, text: str) -> None:
    """Log `headline` at CRITICAL with `text`, which says what to do, and mail both to ADMINS (see `mail`).

    Never raises, and uses no database.
    """
    log.critical("last_resort.told", headline=headline, cause=cause, todo=text)
    mail(cause, headline, text)


def mail(cause: str, headline: str, text: str) -> None:
    """Mail ADMINS, from a thread of its own: at most once in a quarter of an hour for one `cause`.

    Further ones are counted, and the count is mailed at the end of that time.
    """
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
    """Start it; False while the process ends, when Python starts no thread."""
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
