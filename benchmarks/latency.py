"""From posting a failing event to the request at the provider: idle system, real processes, distinct problems."""

from __future__ import annotations

import contextlib
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks import alertmanager, machine, provider
from benchmarks.machine import POSTGRESQL, Setup
from benchmarks.provider import Provider
from benchmarks.result import NotHere, NotHonest, Result
from benchmarks.shop.bodies import a_body
from benchmarks.worker_site import FAILING, Site, Stripe, site

EMBEDDED, CELERY = "", "celery"
GOALS = {EMBEDDED: (20, 60), CELERY: (40, 120)}  # ms: p50, p99
BROKER = "amqp://guest:guest@127.0.0.1:5672//"
PAUSE = (0.08, 0.2)  # seconds between two events, at random: no rhythm of ours may meet one of theirs


@dataclass
class Side:
    name: str
    post: Callable[[str], None]  # takes a mark
    provider: Provider
    rounds: list[list[float]] = field(default_factory=list)  # ms


def run(setup: Setup) -> Iterator[Result]:
    for kind in setup.kinds:
        yield from _interleaved(setup, kind, EMBEDDED)
    if POSTGRESQL in setup.kinds:
        yield from _interleaved(setup, POSTGRESQL, CELERY)


def _interleaved(setup: Setup, kind: str, engine: str) -> Iterator[Result]:
    with contextlib.ExitStack() as stack:
        sides = [_our_side(setup, stack, kind, engine)]
        missing = ""
        try:
            sides.append(_alertmanager(setup, stack))
        except NotHere as why:
            missing = str(why)
        for side in sides:
            _round(side, 3)  # imports, connections
        for _ in range(setup.rounds):
            for side in sides:
                side.rounds.append(_round(side, 8 if setup.quick else 25))
    other = sides[1] if len(sides) > 1 else None
    for place, percent in enumerate((50, 99)):
        values = [machine.percentile(one, percent) for one in sides[0].rounds]
        value = machine.percentile([ms for one in sides[0].rounds for ms in one], percent)
        theirs = machine.percentile([ms for one in other.rounds for ms in one], percent) if other else None
        goal = GOALS[engine][place]
        yield Result(
            f"event to message, {sides[0].name}, p{percent}",
            value,
            "ms",
            peer=f"{alertmanager.NAME} {theirs:.1f} ms" if theirs else "",
            ratio=value / theirs if theirs else None,
            goal=f"<= {goal} ms",
            met=value <= goal,
            best=min(values),
            worst=max(values),
            note=missing,
        )


def _round(side: Side, number: int) -> list[float]:
    """Milliseconds from each post to its message. Raises NotHonest unless there was one message for each."""
    posted: dict[str, float] = {}
    side.provider.forget()
    for _ in range(number):
        mark = f"mark_{secrets.token_hex(6)}"
        posted[mark] = time.monotonic()
        side.post(mark)
        time.sleep(random.uniform(*PAUSE))  # noqa: S311 - no secret
    machine.until(lambda: len(side.provider.arrivals()) >= number, f"{number} messages", every=0.1)
    arrivals = {mark: at for at, mark in side.provider.arrivals()}
    if arrivals.keys() != posted.keys():
        raise NotHonest(f"{side.name}: {number} failures were posted, {len(posted.keys() & arrivals.keys())} were told")
    return [(arrivals[mark] - at) * 1000 for mark, at in posted.items()]


def _our_side(setup: Setup, stack: contextlib.ExitStack, kind: str, engine: str) -> Side:
    told = stack.enter_context(provider.running(setup))
    changes = {}
    if engine == CELERY:
        queue = f"bench-{secrets.token_hex(4)}"
        changes = {"TASKS": CELERY, "BROKER_URL": BROKER, "TASKS_QUEUE": queue}
    found = stack.enter_context(site(setup, kind, told, **changes))
    stack.enter_context(found.web())
    stack.enter_context(found.worker())
    if engine == CELERY:
        _start_celery(setup, stack, found)
    stripe = Stripe(found.port)

    def post(mark: str) -> None:
        account = f"acct_{mark.removeprefix('mark_')}"  # another problem than any before
        status = stripe.post(a_body(FAILING[0], account=account, mark=mark.removeprefix("mark_")))
        if status != 200:
            raise NotHonest(f"an event was answered with {status}")

    return Side(f"{kind}, {'Celery with RabbitMQ' if engine == CELERY else 'embedded'}", post, told)


def _start_celery(setup: Setup, stack: contextlib.ExitStack, found: Site) -> None:
    if not machine.listens(5672):
        raise NotHere("No RabbitMQ answers on port 5672.")
    arguments = "-m celery -A django_tasks_fennel.app worker --without-mingle --without-gossip --loglevel info"
    process = stack.enter_context(machine.running(setup, [sys.executable, *arguments.split()], found.environment))
    machine.until(lambda: " ready." in process.log.read_text(), "Celery")


def _alertmanager(setup: Setup, stack: contextlib.ExitStack) -> Side:
    told = stack.enter_context(provider.running(setup))
    found = stack.enter_context(alertmanager.running(setup, told))
    return Side(alertmanager.NAME, found.post, told)
