"""Stripe, which posts all the time and posts again what was not taken."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, deque
from typing import Any, Self

from tests.acceptance.site import event
from tests.chaos.machine import Machine

FAILS = 10  # of so many events one fails, and is an alert of its own


class Load:
    """Posts from a few threads until it is stopped. What got its 200 is in `accepted`."""

    def __init__(self, site: Machine, *, rate: float = 20.0, threads: int = 3, slow: str = "") -> None:
        self._site = site
        self._slow = slow  # how one in so many events behaves
        self._pause = threads / rate
        self._numbers = itertools.count(1)
        self._again: deque[dict[str, Any]] = deque()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        self.accepted: set[str] = set()
        self.answers: list[tuple[float, int, float]] = []  # when it was posted (monotonic), status, seconds

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and post what was refused until it is taken."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        end = time.monotonic() + 30
        while self._again and time.monotonic() < end:
            self._post(self._again.popleft())

    def statuses(self, since: float = 0.0, until: float = float("inf")) -> Counter[int]:
        return Counter(status for at, status, _ in list(self.answers) if since <= at <= until)

    def slowest(self, since: float = 0.0, until: float = float("inf")) -> float:
        return max((took for at, _, took in list(self.answers) if since <= at <= until), default=0.0)

    def wait_for(self, number: int, within: float = 30.0) -> None:
        """Until so many more have been taken."""
        goal, end = len(self.accepted) + number, time.monotonic() + within
        while len(self.accepted) < goal:
            if time.monotonic() > end:
                raise AssertionError(f"{number} events were not taken within {within:g} s: {self.statuses()}")
            time.sleep(0.02)

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            self._post(self._again.popleft() if self._again else self._next())

    def _next(self) -> dict[str, Any]:
        number = next(self._numbers)
        if self._slow and number % FAILS == 1:
            return event("slow.event", behaviour=self._slow)
        if number % FAILS:
            return event()
        return event(f"broken.n{number}x{id(self) % 1000}", behaviour="bug")

    def _post(self, body: dict[str, Any]) -> None:
        at = time.monotonic()
        status = self._site.post_once(body)
        self.answers.append((at, status, time.monotonic() - at))
        if status == 200:
            self.accepted.add(body["id"])
        else:
            self._again.append(body)
            self._stop.wait(0.2)
