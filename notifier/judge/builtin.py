"""What the built-in classification says of each kind of failure: what broke, and what to do.

Whether the event is tried again can change while an alert is open, so the hints themselves do not say it. RETRIED is
appended while that is so, and `while_it_holds` removes it when a message is made and it is no longer so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Words(NamedTuple):
    title: str  # {exc} is the exception's short name, {service} what was called
    hint: str


RETRIED = "Nothing is lost: it is retried."
_STATUS = "See status.stripe.com and this machine's own connection."
_CREDENTIALS = "Check the key or password that the site uses there: it may have expired or been replaced."

WORDS: Mapping[str, Words] = {
    "worker-lost": Words(
        "its worker died while handling it",
        "Look for an out-of-memory kill or a crash in the worker's log; the event itself may be the cause.",
    ),
    "handler-timeout": Words(
        "handler timed out",
        "Look at the line it was at: what it waits for needs a timeout of its own. Its transaction was rolled back; "
        "what it sent to others may have arrived. Raise HANDLER_TIMEOUT only if it needs that long.",
    ),
    "stripe-signature": Words(
        "signature does not match",
        "Compare the endpoint's signing secret in the Stripe dashboard with STRIPE_WEBHOOK_SECRET.",
    ),
    "stripe-rate-limit": Words(
        "Stripe's rate limit reached",
        "Nothing to do at once. If it lasts, look for what calls the Stripe API in a loop.",
    ),
    "stripe-credentials": Words(
        "Stripe refuses the API key",
        "Check STRIPE_API_KEY: it may have been rolled, or belong to the other mode (test or live).",
    ),
    "stripe-permission": Words(
        "the Stripe API key may not do this",
        "Give the restricted key the permission that the message names, or use another key.",
    ),
    "stripe-connection": Words("Stripe API unreachable", _STATUS),
    "stripe-request": Words(
        "Stripe refused the request ({exc})",
        "Read the message: an object may be missing, in the other mode, or a parameter wrong.",
    ),
    "stripe-api": Words("Stripe API error", "See status.stripe.com."),
    "stripe-other": Words("Stripe refused ({exc})", "Read the message and the request in the Stripe dashboard's logs."),
    "database-unavailable": Words("database unavailable", "Check the database first."),
    "database-full": Words("the database's disk is full", "Free disk space on the database's machine."),
    "database-read-only": Words(
        "the database is read-only",
        "Look whether a failover is under way, and whether the site is connected to the primary.",
    ),
    "database-damaged": Words(
        "the database is damaged", "Stop what writes to it and check its disk; restore it from a backup if need be."
    ),
    "database-contention": Words(
        "waited for another transaction ({exc})",
        "Nothing to do unless it lasts: then look for transactions that hold their locks for long.",
    ),
    "database-timeout": Words(
        "a query took too long ({exc})",
        "Look for a slow query or a missing index at the line shown, and for what else keeps the database busy.",
    ),
    "database-own-lock": Words(
        "the handler waits for its own transaction",
        "SQLite has one writer: let the handler write through one connection, or use @on(..., atomic=False).",
    ),
    "database-credentials": Words("the database refuses the login", "Check the database's user, password and name."),
    "database-permission": Words(
        "the database's user may not do this", "Grant the right that the message names to the site's user."
    ),
    "database-data": Words(
        "the database refuses the data ({exc})",
        "Look at the constraint that the message names and at the event's data.",
    ),
    "database-no-row": Words(
        "the database has no such row ({exc})",
        "The row to be changed is gone, or was changed by somebody else: look at the line shown.",
    ),
    "database-transaction": Words(
        "a query in a transaction that had already failed",
        "Put what may fail into an atomic() block of its own, or do not catch its error.",
    ),
    "database-schema": Words(
        "the database's schema does not fit the code",
        "Run `manage.py migrate`; a migration is probably missing.",
    ),
    "database-unsupported": Words(
        "the database cannot do this ({exc})", "Fix the query at the line shown: this database does not support it."
    ),
    "database-other": Words("database error ({exc})", "Check the database first."),
    "redis-unavailable": Words("Redis unavailable ({exc})", "Check Redis, its memory and its replication."),
    "redis-credentials": Words("Redis refuses the login ({exc})", "Check the user and password in the Redis URL."),
    "redis-contention": Words(
        "waited for another holder of a Redis lock ({exc})",
        "Nothing to do unless it lasts: then look for what holds the lock or changes the same key.",
    ),
    "redis-request": Words("Redis refused the command ({exc})", "Read the message and fix the line shown."),
    "broker-unavailable": Words("the message broker is unavailable ({exc})", "Check the broker of the task queue."),
    "broker-credentials": Words("the message broker refuses the login ({exc})", "Check the broker's URL."),
    "missing-object": Words(
        "a record it needs is missing or not unique ({exc})",
        "Find the customer or order of this event in the site's data; events may arrive before what they refer to.",
    ),
    "invalid-data": Words(
        "data the handler cannot use ({exc})",
        "Compare the event's data with what the handler expects.",
    ),
    "misconfigured": Words(
        "the site is not configured right ({exc})",
        "Read the message; a setting or a package is missing on this machine.",
    ),
    "not-allowed": Words(
        "permission denied ({exc})",
        "Find what was refused in the message: a file, a right in the site, or a remote service.",
    ),
    "network-timeout": Words("{service} did not answer in time ({exc})", "Check the service that the handler calls."),
    "network": Words(
        "{service} is unreachable ({exc})",
        "Check the service that the handler calls and this machine's own connection.",
    ),
    "service-error": Words("{service} answers with errors ({exc})", "Check the service that the handler calls."),
    "service-rate-limit": Words(
        "rate limit of {service} reached ({exc})",
        "Nothing to do at once. If it lasts, look for what calls the service in a loop.",
    ),
    "service-credentials": Words("{service} refuses the login ({exc})", _CREDENTIALS),
    "service-permission": Words(
        "{service} does not allow this ({exc})", "Give the key that the site uses there the right that it lacks."
    ),
    "http-request": Words(
        "{service} refused the request ({exc})",
        "Read the message: what was asked for may be missing there, or a parameter wrong.",
    ),
    "mail-deferred": Words(
        "the mail server does not take it now ({exc})", "Check the mail server if it lasts; see the message."
    ),
    "mail-refused": Words(
        "the mail server refuses the mail ({exc})", "Read the message: the address may not exist, or be blocked."
    ),
    "mail-credentials": Words("the mail server refuses the login ({exc})", _CREDENTIALS),
    "disk-full": Words("the disk is full", "Free disk space on the worker's machine."),
    "resources-exhausted": Words(
        "the machine is out of resources ({exc})", "Check memory, open files and sockets on the worker's machine."
    ),
    "resources": Words(
        "out of memory ({exc})", "Check memory on the worker's machine; the event itself may be the cause."
    ),
    "file": Words("a file cannot be used ({exc})", "Look at the file that the message names, on the worker's machine."),
    "os-error": Words("the machine refused ({exc})", "Read the message: the worker's operating system refused a call."),
    "code": Words("a bug in the handler ({exc})", "Fix the handler at the line shown and deploy."),
    "unknown": Words(
        "failed with {exc}",
        "Read the message and the traceback. A CLASSIFY rule gives this exception its own severity and hint.",
    ),
}


def while_it_holds(hint: str, *, waits: bool) -> str:
    """An alert's hint for a message that is made now. `waits`: its event is going to be tried again."""
    return hint if waits else hint.replace(RETRIED, "").strip()
