"""What the address of the Now page asks for: which alerts, in which order, from which on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from notifier.facts import Category, Severity
from notifier.models import Alert, Occurrence
from notifier.pages.times import moment

SIZE = 25
LONG = ("traceback", "context", "planned_for")  # no list shows them
# Name in the address -> its label. In the order of the form.
TEXTS = {
    "event": _("Event type"),
    "customer": _("Customer"),
    "account": _("Account"),
    "endpoint": _("Endpoint"),
    "q": _("Text or event id"),
}


@dataclass(frozen=True, slots=True)
class Page:
    alerts: list[Alert]
    more: str  # what the next page's address says after `from`; "": this is the last


def choices() -> dict[str, list[str]]:
    return {"severity": [one.label for one in reversed(Severity)], "category": sorted(one.value for one in Category)}


def is_filtered(asked: QueryDict) -> bool:
    return any(asked.get(name) for name in (*TEXTS, "severity", "category", "mode"))


def chosen(asked: QueryDict) -> QuerySet[Alert]:
    """The alerts that the filters leave, open or resolved. A value that is none of a filter's leaves none."""
    rows = Alert.objects.filter(resolved_at__isnull=asked.get("state") != "resolved")
    for name, rule in _RULES.items():
        if value := asked.get(name, "").strip():
            rows = rows.filter(rule(value))
    return rows.defer(*LONG)


def page(asked: QueryDict) -> Page:
    """A page of them: the open ones worst first, as a message lists them; the resolved ones newest first."""
    rows, start = chosen(asked), asked.get("from", "")
    if asked.get("state") == "resolved":
        return _newest_first(rows, moment(start))
    begin = min(int(start), 100_000) if start.isdecimal() and len(start) < 7 else 0
    found = list(rows.order_by("-severity", "-livemode", "-count", "pk")[begin : begin + SIZE + 1])
    return Page(found[:SIZE], str(begin + SIZE) if len(found) > SIZE else "")


def _newest_first(rows: QuerySet[Alert], before: datetime | None) -> Page:
    if before:
        rows = rows.filter(resolved_at__lt=before)
    found = list(rows.order_by("-resolved_at")[: SIZE + 1])
    last = found[SIZE - 1].resolved_at if len(found) > SIZE else None
    return Page(found[:SIZE], last.isoformat() if last else "")


def _has(**asked: str) -> Q:
    """Some failure of the alert is like this. One that is not recovered, so that the index on those answers."""
    return Q(Exists(Occurrence.objects.filter(alert=OuterRef("pk"), **asked)))


def _text(value: str) -> Q:
    if value.startswith("evt_"):
        return _has(event_id=value)
    return Q(title__icontains=value) | Q(message__icontains=value) | Q(event_type__icontains=value)


def _severity(value: str) -> Q:
    return Q(severity__in=[int(one) for one in Severity if one.label == value])


_RULES = {
    "severity": _severity,
    "category": lambda value: Q(category=value),
    "mode": lambda value: Q(livemode=value == "live"),
    "event": lambda value: Q(event_type__istartswith=value.rstrip("*")),
    "customer": lambda value: _has(customer=value),
    "account": lambda value: Q(account=value),
    "endpoint": lambda value: Q(endpoint=value),
    "q": _text,
}
