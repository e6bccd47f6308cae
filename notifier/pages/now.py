"""The first page: what is open, the worst first, and how things stand."""

from __future__ import annotations

from django.apps import apps
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from notifier.config.conf import get_policy
from notifier.facts import Severity
from notifier.models import Alert
from notifier.pages import chart, filters, money, oncall, standing, stories
from notifier.pages.access import Viewer, page, show


@require_safe
@page()
def now(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    found = filters.page(request.GET)
    sums = stories.waiting()
    live = set(Alert.objects.filter(resolved_at__isnull=True, livemode=True).values_list("pk", flat=True))
    return show(
        request,
        viewer,
        "now",
        {
            "lines": stories.lines(found.alerts, sums, viewer),
            "more": found.more,
            "open": _open(),
            "at_risk": money.of(one for one in sums if one.group in live),
            "test_money": money.of(one for one in sums if one.group not in live),
            "last_resolved": Alert.objects.aggregate(at=Max("resolved_at"))["at"],
            "filtered": filters.is_filtered(request.GET),
            "asked": {name: request.GET.get(name, "") for name in (*filters.TEXTS, "severity", "category", "mode")},
            "texts": filters.TEXTS,
            "choices": filters.choices(),
            "resolved": request.GET.get("state") == "resolved",
            "workers": standing.workers(viewer.now),
            "turns": oncall.on_call_now(get_policy(), viewer.now),
            "backlog": _backlog(viewer),
            "channels": standing.channels(viewer.now),
            "charts": chart.charts(viewer.now, viewer.zone),
        },
    )


def _backlog(viewer: Viewer) -> object:
    if "swa_webhooks" not in apps.app_configs:
        return None
    from notifier.pages import inbox

    return inbox.backlog(viewer.now)


def _open() -> list[tuple[str, int]]:
    """How many alerts are open, by severity, the worst first."""
    rows = Alert.objects.filter(resolved_at__isnull=True).values_list("severity").annotate(number=Count("pk"))
    counts = dict(rows.order_by())
    return [(one.label, counts[one]) for one in reversed(Severity) if one in counts]
