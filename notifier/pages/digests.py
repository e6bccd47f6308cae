"""The digests that were sent, to read again."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from notifier.models import Attempt, Digest
from notifier.pages.access import Viewer, page, show
from notifier.pages.times import moment

SIZE = 40


@require_safe
@page()
def digests(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    rows = Digest.objects.select_related("target").order_by("-ends_at", "-pk")
    if before := moment(request.GET.get("before", "")):
        rows = rows.filter(ends_at__lt=before)
    found = list(rows[: SIZE + 1])
    more = found[SIZE - 1].ends_at.isoformat() if len(found) > SIZE else ""
    return show(request, viewer, "digests", {"rows": found[:SIZE], "more": more})


@require_safe
@page()
def digest(request: HttpRequest, viewer: Viewer, number: int) -> HttpResponse:
    row = Digest.objects.select_related("target").filter(pk=number).first()
    if row is None:
        raise Http404(_("There is no such digest."))
    attempt = Attempt.objects.filter(digest_of=row).order_by("-started_at").first()
    return show(request, viewer, "digest", {"digest": row, "attempt": attempt})
