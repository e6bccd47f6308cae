"""Who is on call now and next, the coming four weeks with their gaps, and overrides, made and undone here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from notifier.config.conf import get_policy
from notifier.feeds.links import path_of
from notifier.judge.oncall.rota import Duty, Shift
from notifier.judge.oncall.rotation import Rotation
from notifier.judge.policy import Policy
from notifier.messages.oncall import because, name_of, taken, undone
from notifier.models import Override
from notifier.oncall import overrides
from notifier.oncall.duty import duty_at, shifts_between
from notifier.pages import typed
from notifier.pages.access import Viewer, page, say, show
from notifier.pages.groups import ACT
from notifier.pages.times import moment

WEEKS = 4
ASKED = ("rotation", "person", "start", "end")


@dataclass(frozen=True, slots=True)
class Piece:
    """Somebody's time, or a gap."""

    who: str
    nobody: bool
    start: datetime
    end: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A rotation now and next."""

    name: str
    who: str
    nobody: bool
    until: datetime | None
    why: str
    then: str
    pieces: tuple[Piece, ...] = ()
    overrides: tuple[tuple[Override, str], ...] = ()
    calendar: str = ""  # where to subscribe to it; secret

    @property
    def gaps(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.nobody]


def on_call_now(policy: Policy, now: datetime) -> list[Turn]:
    """Each rotation, for the first page."""
    return [_turn(rotation, policy, now) for rotation in policy.rotations.values()]


@require_safe
@page()
def oncall(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    known = typed.of(request) or request.GET.dict()
    asked = {name: known.get(name, "") for name in ASKED}
    return show(request, viewer, "oncall", _context(viewer, asked))


@require_POST
@page(ACT, back="oncall")
def take(request: HttpRequest, viewer: Viewer) -> HttpResponse:
    policy = get_policy()
    asked = {name: request.POST.get(name, "").strip() for name in ASKED}
    rotation, person = policy.rotations.get(asked["rotation"]), policy.people.get(asked["person"])
    start, end = moment(asked["start"]) or viewer.now, moment(asked["end"])
    try:
        if rotation is None or person is None or end is None:
            raise ValueError(_("Say which rotation, who takes it over, and until when."))
        row = overrides.take(rotation, person, start=start, end=end, author=viewer.name, now=viewer.now)
    except ValueError as error:
        return show(request, viewer, "oncall", _context(viewer, asked) | {"wrong": str(error)}, status=400)
    say(request, taken(row, policy, viewer.now))
    return redirect("notifier_pages:oncall")


@require_POST
@page(ACT, back="oncall")
def undo(request: HttpRequest, viewer: Viewer, number: int) -> HttpResponse:
    row = Override.objects.filter(pk=number).first()
    if row is None:
        raise Http404(_("There is no such override."))
    try:
        say(request, undone(overrides.undo(row, viewer.name, viewer.now), get_policy(), viewer.now))
    except ValueError as error:
        say(request, str(error), done=False)
    return redirect("notifier_pages:oncall")


def _context(viewer: Viewer, asked: dict[str, str]) -> dict[str, Any]:
    policy = get_policy()
    return {
        "turns": [_whole(rotation, policy, viewer.now) for rotation in policy.rotations.values()],
        "people": policy.people,
        "asked": asked,
    }


def _turn(rotation: Rotation, policy: Policy, now: datetime) -> Turn:
    duty = duty_at(rotation, now)
    then = _next(rotation, duty, policy)
    who = name_of(duty.person, policy.people)
    return Turn(rotation.name, who, duty.person is None, duty.until, because(duty), then)


def _next(rotation: Rotation, duty: Duty, policy: Policy) -> str:
    return name_of(duty_at(rotation, duty.until).person, policy.people) if duty.until else ""


def _whole(rotation: Rotation, policy: Policy, now: datetime) -> Turn:
    turn = _turn(rotation, policy, now)
    zone = ZoneInfo(rotation.tz)
    until = (now.astimezone(zone) + timedelta(weeks=WEEKS)).astimezone(now.tzinfo)
    pieces = tuple(_piece(shift, policy) for shift in shifts_between(rotation, now, until, now))
    rows = Override.objects.filter(rotation=rotation.name, ends_at__gt=now, undone_at__isnull=True).order_by(
        "starts_at"
    )
    made = tuple((row, name_of(row.person, policy.people)) for row in rows)
    return Turn(turn.name, turn.who, turn.nobody, turn.until, turn.why, turn.then, pieces, made, path_of(rotation.name))


def _piece(shift: Shift, policy: Policy) -> Piece:
    return Piece(name_of(shift.person, policy.people), shift.person is None, shift.start, shift.end, because(shift))
