"""A service outside hears once a minute that nothing is overdue, and nothing while something is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_httpserver import HTTPServer
from werkzeug import Response

from alerts_runtime import background
from alerts_runtime.background import Loop
from alerts_runtime.monitoring import dead_mans_switch, heartbeat
from alerts_runtime.monitoring.dead_mans_switch import EVERY, Ping
from tests.logged import capture_logs

pytestmark = pytest.mark.django_db
PATH = "/ping/only-we-know-this-part"


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Since when something waits; and a worker lives."""
    since: list[datetime] = []
    loop = Loop("events", lambda: 1.0, oldest_due=lambda _now: min(since, default=None))
    monkeypatch.setattr(background, "_factories", [lambda: [loop]])
    heartbeat.beat("a", timezone.now(), host="web1", pid=7, started_at=timezone.now(), loops={})
    return since


def minute(one: Ping, clock: Clock) -> None:
    clock.seconds += EVERY
    one.step()


def test_asked_for_once_a_minute(httpserver: HTTPServer, clock: Clock) -> None:
    httpserver.expect_request(PATH).respond_with_data("OK")
    one = Ping(httpserver.url_for(PATH), clock=clock)

    for _ in range(3 * int(EVERY)):
        assert one.step() <= 1.0
        clock.seconds += 1

    assert len(httpserver.log) == 3


def test_not_asked_for_while_something_is_overdue(
    httpserver: HTTPServer, clock: Clock, waiting: list[datetime]
) -> None:
    httpserver.expect_request(PATH).respond_with_data("OK")
    one = Ping(httpserver.url_for(PATH), clock=clock)
    waiting.append(timezone.now() - timedelta(seconds=61))

    minute(one, clock)
    assert not httpserver.log
    waiting.clear()
    minute(one, clock)
    assert len(httpserver.log) == 1


def test_trouble_is_logged_once_for_each_change_and_the_url_never(httpserver: HTTPServer, clock: Clock) -> None:
    answers = iter([200, 500, 500, 200, 200, 404])
    httpserver.expect_request(PATH).respond_with_handler(lambda _request: Response(status=next(answers)))
    one = Ping(httpserver.url_for(PATH), clock=clock)

    with capture_logs() as logs:
        for _ in range(6):
            minute(one, clock)

    assert [(line["log_level"], line.get("reason")) for line in logs] == [
        ("warning", "HTTP 500"),
        ("info", None),
        ("warning", "HTTP 404"),
    ]
    assert "only-we-know" not in str(logs)


def test_a_service_that_is_not_there_is_logged_by_the_kind_of_error(clock: Clock) -> None:
    one = Ping("http://127.0.0.1:9/only-we-know-this-part", clock=clock)
    with capture_logs() as logs:
        minute(one, clock)
        minute(one, clock)
    assert [line["reason"] for line in logs] == ["ConnectionError"]
    assert "only-we-know" not in str(logs)


def test_a_service_that_does_not_answer_is_given_up(
    httpserver: HTTPServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_mans_switch, "TIMEOUT", (0.1, 0.1))
    release = threading.Event()
    httpserver.expect_request(PATH).respond_with_handler(lambda _request: Response(str(release.wait(5))))
    one = Ping(httpserver.url_for(PATH), clock=clock)
    try:
        with capture_logs() as logs:
            minute(one, clock)
    finally:
        release.set()
    assert [line["reason"] for line in logs] == ["ReadTimeout"]


def test_of_an_endless_answer_only_the_status_is_read(httpserver: HTTPServer, clock: Clock) -> None:
    sent: list[int] = []

    def endless() -> Iterator[bytes]:
        for number in range(300):
            sent.append(number)
            yield b" " * 1_000_000

    httpserver.expect_request(PATH).respond_with_handler(lambda _request: Response(endless()))
    minute(Ping(httpserver.url_for(PATH), clock=clock), clock)
    assert len(sent) < 100


def test_there_is_no_loop_without_a_url_and_one_that_no_wake_up_hurries_with_one(settings: Settings) -> None:
    settings.HEARTBEAT_URL = ""
    assert list(dead_mans_switch.loops()) == []
    settings.HEARTBEAT_URL = "https://example.test/ping"
    [loop] = dead_mans_switch.loops()
    assert (loop.topic, loop.threads) == (None, 1)
