"""Serves calendars at their secret addresses. Whatever is wrong with one, the answer is the same: 404."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from alerts_runtime.leasing import clock
from notifier.config.conf import get_policy
from notifier.feeds.links import is_valid


@require_safe
@login_not_required
def calendar(request: HttpRequest, rotation: str, token: str, person: str = "") -> HttpResponse:
    """Whoever knows the address may read it; it changes nothing."""
    from notifier.feeds.calendar import feed  # here, as icalendar is a sixteenth of a process's start (measured)

    policy = get_policy()
    valid = is_valid(token, rotation, person)
    if not valid or rotation not in policy.rotations or (person and person not in policy.people):
        raise Http404
    response = HttpResponse(
        feed(policy.rotations[rotation], person, policy, clock.now()), content_type="text/calendar; charset=utf-8"
    )
    response["Content-Disposition"] = f'inline; filename="{rotation}.ics"'
    response["Cache-Control"] = "private, max-age=900"
    response["X-Robots-Tag"] = "noindex"
    return response
