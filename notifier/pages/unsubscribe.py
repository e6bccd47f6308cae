"""Unsubscribing from digests, by the mail program's one click (RFC 8058) or by the page. To open it changes nothing."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from alerts_runtime.redaction.masking import masked
from notifier.messages import answer_link
from notifier.models import Target
from notifier.outbox import targets
from notifier.pages.access import guarded

log = get_logger(__name__)


@csrf_exempt  # a mail program posts, without a cookie
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_not_required
@transaction.non_atomic_requests
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    target = Target.objects.filter(pk=answer_link.read_unsubscribe(token)).first()
    if target is None:
        raise Http404
    if request.method == "POST":
        wanted = request.POST.get("digests") == "again"
        if targets.want_digests(target.pk, clock.now(), wanted=wanted):
            log.warning(
                "digest.subscription_changed", address=masked(target.address), channel=target.channel, wanted=wanted
            )
        target.refresh_from_db()
    context = {"page": "unsubscribe", "who": masked(target.address), "wanted": target.no_digests_since is None}
    response = guarded(render(request, "notifier/pages/unsubscribe.html", context))
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
