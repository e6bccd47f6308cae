"""Takes the facts out of an exception at the moment it is caught: classes, codes, peer, cause, parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from alerts_runtime.failures import codes, foreign, peers
from alerts_runtime.failures.foreign import get, is_a, item, number
from alerts_runtime.redaction.tokens import hide_tokens

_DATABASES = frozenset({"django.db.Error", "psycopg.Error", "psycopg2.Error", "sqlite3.Error", "MySQLdb.Error"})
# They say what a web framework is to answer to a client of ours, not what a service answered to us.
_ANSWERS_OF_OURS = (
    "rest_framework.",
    "starlette.",
    "fastapi.",
    "werkzeug.",
    "ninja.",
    "django.",
    "webhooks.",
    "alerts_runtime.",
)
_STATUS_IN = {
    "twilio.base.exceptions.TwilioException": "status",
    "aiohttp.client_exceptions.ClientResponseError": "status",
    "urllib.error.HTTPError": "code",
    "google.api_core.exceptions.GoogleAPICallError": "code",
}


@dataclass(frozen=True, slots=True)
class Facts:
    classes: tuple[str, ...]  # dotted paths: its class, then the bases
    status: int = 0  # HTTP's; for gRPC and AWS what HTTP would say
    errno: int = 0
    smtp: int = 0
    sqlstate: str = ""
    sqlite: str = ""  # the name of SQLite's result code
    mysql: int = 0
    no_request: bool = False  # urllib could make no request of it
    own_lock: bool = False  # this thread's own transaction held SQLite's lock
    peer: str = ""  # the service that it is about
    cause: Facts | None = None
    explicit: bool = False  # raised `from` the cause, not only while it was handled
    parts: tuple[Facts, ...] = ()  # of a group


def read(error: BaseException, *, own_lock: bool = False) -> Facts:
    """The facts of an exception. Never raises, whatever the exception's own code does.

    `own_lock`: SQLite's lock, of which it may complain, was taken by this thread's own transaction.
    """
    return _read(error, own_lock, foreign.LINKS)


def classes_of(cls: type) -> tuple[str, ...]:
    """The paths of a class and its bases, nearest first, up to Exception."""
    try:
        return _remembered(cls)
    except Exception:  # noqa: BLE001 - a metaclass may forbid to hash its classes
        return _paths(cls)


def _paths(cls: type) -> tuple[str, ...]:
    return tuple(_path(base) for base in foreign.of_class(cls, "__mro__") if not _is_root(base))


_remembered = lru_cache(maxsize=256)(_paths)


def _is_root(cls: type) -> bool:
    return cls is BaseException or cls is object


def class_path(cls: type) -> str:
    """A class by the name under which people know it: `KeyError`, `stripe.CardError`, `django.db.OperationalError`."""
    known = classes_of(cls)
    return known[0] if known else _path(cls)


def _path(cls: type) -> str:
    name = foreign.storable(foreign.text(foreign.of_class(cls, "__qualname__")))
    module = foreign.storable(foreign.text(foreign.of_class(cls, "__module__")))
    module = module.replace("django.db.utils", "django.db")
    root, *rest = module.split(".")
    public = [root, *(part for part in rest if not part.startswith("_"))]
    path = name if module == "builtins" else ".".join([*public, name])
    return hide_tokens(path, "[secret]")[-255:]  # a class that code makes may be named after what it was made for


@lru_cache(maxsize=1024)
def canonical(path: str) -> str:
    """What `class_path` gives, for a path as people write it: `stripe._error.CardError` and the old
    `stripe.error.CardError` are `stripe.CardError`, `builtins.KeyError` is `KeyError`.
    """
    path = path.removeprefix("builtins.").replace("django.db.utils.", "django.db.")
    path = path.replace("stripe.error.", "stripe.")
    *modules, name = path.split(".")
    return ".".join([*(part for part in modules if not part.startswith("_")), name])


def _read(error: BaseException, own_lock: bool, depth: int) -> Facts:
    classes = classes_of(type(error))
    explicit = foreign.cause_of(error)
    cause = explicit or foreign.context_of(error)
    sqlstate, sqlite, mysql = _database(error, explicit, classes)
    return Facts(
        classes=classes,
        status=_status(error, classes),
        errno=number(get(error, "errno")) if is_a(error, OSError) else 0,
        smtp=_smtp(error, classes),
        sqlstate=sqlstate,
        sqlite=sqlite,
        mysql=mysql,
        no_request="urllib.error.URLError" in classes and is_a(get(error, "reason"), str),
        own_lock=own_lock,
        peer=peers.peer_of(error, classes),
        cause=_read(cause, own_lock, depth - 1) if cause is not None and depth > 1 else None,
        explicit=explicit is not None,
        parts=tuple(_read(part, own_lock, depth - 1) for part in foreign.parts_of(error)) if depth > 1 else (),
    )


def _database(error: BaseException, cause: BaseException | None, classes: tuple[str, ...]) -> tuple[str, str, int]:
    """Django's errors wrap the driver's, which has the code."""
    if _DATABASES.isdisjoint(classes):
        return "", "", 0
    for one in (error, cause):
        sqlstate = get(one, "sqlstate") or get(one, "pgcode")
        sqlite = get(one, "sqlite_errorname")
        if is_a(sqlstate, str) or is_a(sqlite, str):
            return (sqlstate if is_a(sqlstate, str) else ""), (sqlite if is_a(sqlite, str) else ""), 0
    args = get(error, "args")
    return "", "", number(args[0]) if is_a(args, tuple) and args else 0


def _smtp(error: BaseException, classes: tuple[str, ...]) -> int:
    """SMTP's answer; of several recipients the mildest, since another try may reach that one."""
    if "smtplib.SMTPException" not in classes:
        return 0
    recipients = get(error, "recipients")
    if is_a(recipients, dict):
        answers = [number(answer[0]) for answer in recipients.values() if is_a(answer, tuple) and answer]
        return min(answers, default=0)
    return number(get(error, "smtp_code"))


def _status(error: BaseException, classes: tuple[str, ...]) -> int:
    if classes[:1] and classes[0].startswith(_ANSWERS_OF_OURS):
        return 0
    if "grpc.RpcError" in classes:
        return codes.GRPC.get(foreign.text(get(foreign.called(error, "code"), "name")), 0)
    response = get(error, "response")
    if "botocore.exceptions.ClientError" in classes:
        code = foreign.text(item(item(response, "Error"), "Code"))
        return codes.AWS.get(code) or _valid(item(item(response, "ResponseMetadata"), "HTTPStatusCode"))
    named = next((_STATUS_IN[path] for path in classes if path in _STATUS_IN), "http_status")
    return _valid(get(error, named)) or _valid(get(error, "status_code")) or _valid(get(response, "status_code"))


def _valid(status: object) -> int:
    found = number(status)
    return found if 100 <= found <= 599 else 0
