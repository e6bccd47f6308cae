"""`manage.py replay`: process events again."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet

from alerts_runtime.leasing import clock
from alerts_runtime.management.command import whole
from alerts_runtime.management.database import DatabaseCommand
from alerts_runtime.wakeups import wake
from webhooks.models import WebhookEvent
from webhooks.process import arm
from webhooks.process.rehearsal import rehearse

State = WebhookEvent.State
REPLAYED, HURRIED, LEFT_ALONE = "replayed", "due now", "left alone"
REHEARSE_WITHIN = 3600.0  # seconds; Ctrl-C ends it at any time
_WHY: Mapping[str, str] = {
    State.PENDING: "it waits for its next attempt already; --pending makes that due now",
    State.PROCESSING: "it is being processed",
    State.PROCESSED: "it is processed; --include-processed runs it again, with all its effects",
    State.IGNORED: "it is of the mode that its endpoint does not handle (LIVEMODE)",
    State.DROPPED: "somebody decided that it is never run again; its page takes that back",
}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def age(text: str) -> timedelta:
    """2h, 3d, 90m."""
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip().lower())
    if not found:
        raise ArgumentTypeError(f"{text!r} is not an age such as 90m, 2h or 3d")
    given = timedelta(**{_UNITS[found[2]]: int(found[1])})
    return min(given, timedelta(days=36_500))  # no date is older


class Command(DatabaseCommand):
    help = (
        "Process events again: those named, or all that match. Without --state or ids: those that were given up, and "
        "those of which a callback after the commit failed (all that their handlers do is done again). Events that "
        "wait or are being processed are left alone, so it may be run twice. --pending also hurries the retries that "
        "are planned, as after a fix was deployed. --rehearse says beforehand what would come of it."
    )
    examples = (
        "evt_1PabcDEF",
        "--type 'invoice.*' --since 3d",
        "--rehearse",
        "--pending --dry-run",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="evt_...")
        parser.add_argument("--type", default="*", help="a glob: invoice.*")
        parser.add_argument("--state", choices=State.values)
        parser.add_argument("--since", type=age, help="received at most this long ago: 2h, 3d")
        parser.add_argument("--until", type=age, help="received at least this long ago")
        parser.add_argument("--include-processed", action="store_true", help="also run processed ones again")
        parser.add_argument(
            "--pending", action="store_true", help="also make planned retries due now; attempts count on"
        )
        parser.add_argument("--dry-run", action="store_true")
        parser.add_argument(
            "--rehearse",
            action="store_true",
            help="run today's handlers over what was given up or waits, undo it all, and say how many would pass",
        )
        parser.add_argument(
            "--limit",
            type=whole(1, 10**9),
            help="with --rehearse: so many at most (default: all; on SQLite 20 of them)",
        )

    def handle(self, **options: Any) -> None:
        now = clock.now()
        if options["rehearse"]:
            self._rehearse(options, now)
            return
        counts: Counter[str] = Counter()
        missing = set(options["ids"])
        for row in _select(options, now).defer("body").order_by("received_at").iterator(500):
            missing.discard(row.event_id)
            if _is_of(row.type, options["type"]):
                done, why = _replay(row, now, options)
                counts[done] += 1
                self.stdout.write(f"{row.event_id} {row.type}: {done}{why}")
        if counts[REPLAYED] or counts[HURRIED]:
            wake.wake("events")
        self.stdout.write(", ".join(f"{counts[done]} {done}" for done in counts) or "Nothing matches.")
        if missing:
            raise CommandError(f"Not found: {', '.join(sorted(missing))}.")

    def _rehearse(self, options: Mapping[str, Any], now: datetime) -> None:
        if not (ids := options["ids"]):
            rows = _select({**options, "pending": True}, now).order_by("received_at").values_list("event_id", "type")
            ids = [event_id for event_id, kind in rows if _is_of(kind, options["type"])]
        found = rehearse(ids, limit=options["limit"], seconds=REHEARSE_WITHIN)
        self.stdout.write(found.sentence)
        for one in found.failures:
            self.stdout.write(f"  {one.exception} in {one.where}: {one.count:,}, for example {one.example}")
        self.stdout.write("Nothing was changed.")


def _is_of(kind: str, wanted: str) -> bool:
    return fnmatchcase(kind, wanted) or kind == wanted


def _select(options: Mapping[str, Any], now: datetime) -> QuerySet[WebhookEvent]:
    rows = WebhookEvent.objects.all()
    if options["ids"]:
        rows = rows.filter(event_id__in=options["ids"])
    if options["state"]:
        rows = rows.filter(state=options["state"])
    elif not options["ids"]:
        rows = rows.filter(state__in=_runnable(options))
    if options["since"]:
        rows = rows.filter(received_at__gte=now - options["since"])
    if options["until"]:
        rows = rows.filter(received_at__lte=now - options["until"])
    return rows


def _replay(row: WebhookEvent, now: datetime, options: Mapping[str, Any]) -> tuple[str, str]:
    if row.state not in _runnable(options):
        return LEFT_ALONE, f": {_WHY[row.state]}"
    if row.state == State.PENDING:
        return _hurry(row, now, options)
    if options["dry_run"]:
        return f"would be {REPLAYED}", ""
    if not arm.rearm(row, now, include_processed=options["include_processed"]):
        return LEFT_ALONE, ": its state has just changed"
    return REPLAYED, ""


def _hurry(row: WebhookEvent, now: datetime, options: Mapping[str, Any]) -> tuple[str, str]:
    if not row.attempt or (row.due_at and row.due_at <= now):
        return LEFT_ALONE, ": its turn comes without that"
    if options["dry_run"]:
        return f"would be {HURRIED}", ""
    return (HURRIED, "") if arm.hurry(row, now) else (LEFT_ALONE, ": its state has just changed")


def _runnable(options: Mapping[str, Any]) -> list[str]:
    more = {State.PROCESSED: options["include_processed"], State.PENDING: options["pending"]}
    return [State.DEAD, State.INCOMPLETE, *(state for state, wanted in more.items() if wanted)]
