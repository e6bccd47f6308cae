"""The views for probes and Prometheus: whether the process answers, whether the site is ready, and metrics."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from alerts_runtime.conf import metrics_token
from alerts_runtime.database.deadline import deadline
from alerts_runtime.database.trials import trials
from alerts_runtime.leasing import clock
from alerts_runtime.monitoring import heartbeat, metrics, watchdog
from alerts_runtime.monitoring.watchdog import Verdict
from alerts_runtime.redaction.loggers import get_logger

log = get_logger(__name__)

DATABASE_SILENT = 3.0  # seconds without an answer after which it counts as away; probes give up after about ten
REMEMBER_MIGRATIONS = 60.0  # seconds; each look reads all files of migrations and makes a query
PLAIN = "text/plain; charset=utf-8"
AWAY = (DatabaseError, InterfaceError)
# Headers by which a proxy says that it speaks for another machine: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For
PASSED_ON = ("forwarded", "x-real-ip", "via", "true-client-ip", "cf-connecting-ip")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the site is not ready: a name for machines, a sentence and what to do for people."""

    name: str
    what: str
    todo: str


DATABASE = Reason(
    "database",
    "The database cannot be reached.",
    "Check that it runs and that DATABASE_URL is right. Stripe delivers again what is refused meanwhile.",
)
STORING = Reason(
    "storing",
    "The database takes no events: a trial write failed.",
    "Look in this process's log for the error. Check that the disk has room, that the site may write, and that the "
    "database is not a read-only standby.",
)


@require_safe
@login_not_required
@transaction.non_atomic_requests
def healthz(_request: HttpRequest) -> HttpResponse:
    """200: the process answers. Touches nothing else."""
    return HttpResponse("ok\n", content_type=PLAIN)


@require_safe
@never_cache
@login_not_required
@transaction.non_atomic_requests
def readyz(_request: HttpRequest) -> HttpResponse:
    """200: what comes in will be stored and worked on. 503: it will not, with the reasons.

    Threads that hang are a warning: others have taken their place, so what comes in is worked on.
    """
    reasons = list(why_not_ready())
    answer: dict[str, Any] = {"ready": not reasons, "reasons": [asdict(reason) for reason in reasons]}
    if warnings := [] if reasons else list(_warnings()):
        answer["warnings"] = [asdict(warning) for warning in warnings]
    return JsonResponse(answer, status=503 if reasons else 200)


@require_safe
@never_cache
@login_not_required
@transaction.non_atomic_requests
def metrics_page(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format, for whoever has METRICS_TOKEN; when that is not set, for this machine alone."""
    if not _may_read_metrics(request):
        if metrics_token():
            challenge = {"WWW-Authenticate": "Bearer"}
            return HttpResponse("A bearer token is needed.\n", status=401, content_type=PLAIN, headers=challenge)
        text = "Only this machine may read this. Set METRICS_TOKEN to let others in.\n"
        return HttpResponse(text, status=403, content_type=PLAIN)
    try:
        with deadline(DATABASE_SILENT):
            return HttpResponse(metrics.render(clock.now()), content_type=metrics.CONTENT_TYPE)
    except AWAY as error:
        log.error("metrics.not_read", error=type(error).__name__)
        return HttpResponse(f"{DATABASE.what}\n", status=503, content_type=PLAIN)


def why_not_ready() -> Iterator[Reason]:
    """Everything that keeps the site from doing its work. Never raises for a database that is away."""
    try:
        with deadline(DATABASE_SILENT):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            if missing := migrations.missing():
                todo = "Run `manage.py migrate`, then restart the workers."
                yield Reason("migrations", f"{missing} migrations have not been applied.", todo)
                return  # the tables that the next questions need may not be there
            if failure := trials.failure():
                log.error("database.not_writable", error=type(failure).__name__)
                yield STORING
            found = watchdog.inspect(clock.now())
    except AWAY as error:
        log.error("database.not_reached", error=type(error).__name__)
        yield DATABASE
    except ImproperlyConfigured:
        yield Reason("settings", "The settings have a mistake.", "Run `manage.py check`: it names each one.")
    else:
        if found.verdict in (Verdict.DEAD, Verdict.STUCK):
            yield Reason(f"worker_{found.verdict}", *watchdog.describe(found))


def _warnings() -> Iterator[Reason]:
    try:
        hung = heartbeat.hung(clock.now(), watchdog.BEAT_WITHIN)
    except AWAY:  # it cannot be reached since just now: the next probe says so
        return
    if hung:
        todo = "The alerts and the worker's log name the line; give what it waits for a timeout of its own."
        what = f"{hung} handlers hang; their threads were" if hung > 1 else "1 handler hangs; its thread was"
        yield Reason("handlers_hang", f"{what} replaced.", todo)


class Migrations:
    """How many are not applied, looked up at most once a minute in each process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = 0
        self._look_at = 0.0

    def missing(self, clock: float | None = None) -> int:
        """`clock` is time.monotonic()'s. Raises what the database raises."""
        clock = time.monotonic() if clock is None else clock
        with self._lock:
            if clock >= self._look_at:
                executor = MigrationExecutor(connection)
                self._known = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
                self._look_at = clock + REMEMBER_MIGRATIONS
            return self._known

    def forget(self) -> None:
        with self._lock:
            self._look_at = 0.0


migrations = Migrations()


def _may_read_metrics(request: HttpRequest) -> bool:
    if metrics_token():
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and constant_time_compare(token.strip(), metrics_token())
    # Behind a proxy on this machine every request comes from here, whatever headers it adds.
    passed_on = settings.SECURE_PROXY_SSL_HEADER is not None or any(
        name in PASSED_ON or name.startswith("x-forwarded-") for name in map(str.lower, request.headers)
    )
    if passed_on:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
