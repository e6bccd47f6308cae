"""What is silenced or ignored: in force, planned and past; made from an alert, and ended here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from notifier.config.conf import parse_match
from notifier.facts import Category, Severity
from notifier.flow import ignores, silences
from notifier.judge.durations import parse_duration
from notifier.judge.match import Matcher, matches
from notifier.models import Alert, Ignored, Silence
from notifier.pages import typed, words
from notifier.pages.access import Viewer, page, say, show
from notifier.pages.alert import found as the_alert
from notifier.pages.groups import ACT
from notifier.pages.times import moment

PAST = 30  # rows
LOOKED_THROUGH = 2000  # open alerts; whoever has more of them does not count them by one
TEXTS = ("event", "exception", "source", "account", "endpoint", "fingerprint")
FIELDS = (*TEXTS, "severity", "category", "livemode")


@dataclass(frozen=True, slots=True)
class Row:
    silence: Silence
    what: list[tuple[str, str]]


@require_safe
@page()
def all_silences(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    return show(request, viewer, "silences", _context(request, viewer, _asked(request)))


@require_POST
@page(ACT, back="silences")
def silence(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    """Begin one, or say what is wrong with it beside what was typed."""
    asked = {name: request.POST.get(name, "").strip() for name in (*FIELDS, "for", "from", "comment")}
    try:
        match = _match(asked)
        start = (moment(asked["from"]) if asked["from"] else None) or viewer.now
        length = parse_duration(asked["for"])
        if not asked["comment"]:
            raise ValueError(_("Say why: whoever looks at night wants to know."))
        row = silences.silence(
            match, until=start + length, start=start, author=viewer.name, comment=asked["comment"], now=viewer.now
        )
    except (ValueError, OverflowError) as error:
        context = _context(request, viewer, asked) | {"wrong": str(error)}
        return show(request, viewer, "silences", context, status=400)
    say(request, _("Silence %(number)s begins. What it holds is told when it ends.") % {"number": row.pk})
    return redirect("notifier_pages:silences")


@require_POST
@page(ACT, back="silences")
def end(request: HttpRequest, viewer: Viewer, number: int) -> HttpResponse:
    row = Silence.objects.filter(pk=number).first()
    if row is None:
        raise Http404(_("There is no such silence."))
    if row.ends_at <= viewer.now:
        say(request, _("Silence %(number)s is over already.") % {"number": row.pk}, done=False)
    else:
        held = silences.end(row, viewer.now)
        text = ngettext(
            "Silence %(number)s ended; %(held)s held message is judged again.",
            "Silence %(number)s ended; %(held)s held messages are judged again.",
            held,
        )
        say(request, text % {"number": row.pk, "held": held})
    return redirect("notifier_pages:silences")


@require_POST
@page(ACT, back="silences")
def tell_again(request: HttpRequest, viewer: Viewer, number: int) -> HttpResponse:
    row = Ignored.objects.filter(pk=number).first()
    if row is None:
        raise Http404(_("There is no such kind."))
    held = ignores.end(row, f"by {viewer.name}", viewer.now)
    text = ngettext(
        "This kind is told again; %(held)s held message is judged now.",
        "This kind is told again; %(held)s held messages are judged now.",
        held,
    )
    say(request, text % {"held": held})
    return redirect("notifier_pages:silences")


def _context(request: HttpRequest, viewer: Viewer, asked: dict[str, str]) -> dict[str, Any]:
    now = viewer.now
    wanted = any(asked.get(name) for name in FIELDS)
    return {
        "in_force": _rows(Silence.objects.filter(starts_at__lte=now, ends_at__gt=now).order_by("ends_at")),
        "planned": _rows(Silence.objects.filter(starts_at__gt=now).order_by("starts_at")),
        "past": _rows(Silence.objects.filter(ends_at__lte=now).order_by("-ends_at")[:PAST]),
        "ignored": [(row, ignores.until(row)) for row in Ignored.objects.filter(ended_at__isnull=True).order_by("-pk")],
        "asked": asked,
        "holds": _open_alerts_like(asked) if wanted else None,
        "severities": [one.label for one in Severity],
        "categories": sorted(one.value for one in Category),
        "open_form": wanted,
    }


def _rows(found: Any) -> list[Row]:
    return [Row(row, words.of_match(row.matcher)) for row in found]


def _asked(request: HttpRequest) -> dict[str, str]:
    """The form's fields: as the address has them, or of the alert that it names."""
    number = request.GET.get("alert", "")
    names = (*FIELDS, "for", "from", "comment")
    known = typed.of(request) or request.GET.dict()
    asked = {name: known.get(name, "").strip() for name in names}
    if number.isdecimal() and len(number) < 18:
        alert = the_alert(int(number))
        asked["fingerprint"] = alert.fingerprint
        asked["comment"] = asked["comment"] or _("alert %(number)s: %(what)s") % {
            "number": alert.pk,
            "what": alert.headline,
        }
    asked["for"] = asked["for"] or "1h"
    return asked


def _match(asked: dict[str, str]) -> dict[str, object]:
    """As ROUTES writes it. Raises ValueError for what cannot be one."""
    match: dict[str, object] = {name: asked[name] for name in TEXTS if asked.get(name)}
    for name in ("severity", "category"):
        if asked.get(name):
            match[name] = asked[name]
    if asked.get("livemode"):
        match["livemode"] = asked["livemode"] == "live"
    if not match:
        raise ValueError(_("Say what is to be silent: at least one of the fields."))
    return match


def _open_alerts_like(asked: dict[str, str]) -> list[Alert] | None:
    """The open alerts that this would hold; None: it cannot be read."""
    try:
        matcher: Matcher = parse_match(_match(asked))
    except ValueError:
        return None
    rows = Alert.objects.filter(resolved_at__isnull=True).defer("traceback", "message", "hint").order_by("-severity")
    if matcher.livemode is not None:
        rows = rows.filter(livemode=matcher.livemode)
    if matcher.categories:
        rows = rows.filter(category__in=[one.value for one in matcher.categories])
    return [row for row in rows[:LOOKED_THROUGH] if matches(matcher, row.subject)]
