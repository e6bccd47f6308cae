"""Senders that begin a request and never end it, more of them than the web service has threads."""

from __future__ import annotations

import contextlib
import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.acceptance import nginx
from tests.outages import stage
from tests.outages.load import Load
from tests.outages.report import Outcome, Unavailable

SENDERS = 40
LASTS = 6.0  # seconds
BEGUN = (
    b"POST /stripe/default/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{",
    b"POST /stripe/default/ HTTP/1.1\r\nHost: 127.0.0.1\r\n",
)


def slow(folder: Path) -> Outcome:
    """Behind deploy/nginx.conf: deliveries and /healthz are answered meanwhile, and the senders are cut off."""
    if not nginx.PROGRAM:
        raise Unavailable("nginx is not installed")
    outcome = Outcome()
    with stage.site(folder, "sqlite") as site, nginx.in_front_of(site.port, folder / "nginx") as port:
        site.port = port
        with Load(site) as load:
            load.wait_for(60)
            since = time.monotonic()
            with _senders(port) as open_ones:
                health = [_healthz(port) for _ in range(int(LASTS)) if not time.sleep(1)]  # type: ignore[func-returns-value]  # it returns None
                cut = sum(_is_cut_off(wire) for wire in open_ones)
            back = time.monotonic()
            load.wait_for(60)
        stage.recover(site, outcome, back)
        slowest = load.slowest(since, back)
        outcome.check(set(load.statuses(since, back)) == {200}, f"meanwhile it answered {load.statuses(since, back)}")
        outcome.check(slowest < 2, f"a delivery took {slowest:.1f} s")
        outcome.check(max(health) < 1, f"/healthz took {max(health):.1f} s")
        outcome.check(cut == SENDERS, f"{SENDERS - cut} senders were not cut off")
        outcome.said = f"{SENDERS} senders; the slowest delivery took {slowest:.2f} s, /healthz {max(health):.2f} s"
        return stage.count(site, load, outcome)


@contextlib.contextmanager
def _senders(port: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(SENDERS)]
        for number, wire in enumerate(wires):
            wire.sendall(BEGUN[number % 2])
        yield wires


def _healthz(port: int) -> float:
    began = time.monotonic()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
        answer.read()
    return time.monotonic() - began


def _is_cut_off(wire: socket.socket) -> bool:
    try:
        while wire.recv(4096):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True
