"""The load: so many connections that post signed events as fast as they are answered. A process of its own.

One thread and one selector, since it must cost less than any server that it measures. The requests are built before
the clock starts.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from benchmarks.events import Template
from benchmarks.machine import ROOT, SECRET

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_MOST = 6000  # requests a second that are prepared


@dataclass(frozen=True)
class Load:
    port: int
    path: str
    run: int  # makes the ids distinct from those of every other run
    kind: str = "invoice.will_be_due"
    seconds: float = 2.0
    connections: int = 8
    rate: float = 0.0  # requests a second; 0: as many as are answered


@dataclass(frozen=True)
class Answers:
    statuses: dict[str, int]
    seconds: float
    times: list[float]  # ms, of those answered with 200

    @property
    def accepted(self) -> int:
        return self.statuses.get("200", 0)


def apply(load: Load) -> Answers:
    """Run it in a process of its own."""
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(load))],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    return Answers(**json.loads(done.stdout))


class _Client:
    """One of the connections."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.socket: socket.socket | None = None
        self._answer = b""
        self.sent_at = 0.0

    def send(self, request: bytes, due: float, selector: selectors.BaseSelector) -> None:
        self.sent_at = due  # at a steady rate that is when it should have gone, however long it had to wait
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self._port))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(self.socket, selectors.EVENT_READ, self)
        self._answer = b""
        self.socket.sendall(request)

    def read(self, selector: selectors.BaseSelector) -> str:
        """The status, once the answer is whole; empty until then. "broken": the server hung up."""
        assert self.socket is not None  # noqa: S101 - for the type checker: only an open one is readable
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if found else None
        whole = length is not None and len(body) >= int(length[1])
        if not data or whole:  # each request has a connection of its own: gunicorn's sync workers keep none
            selector.unregister(self.socket)
            self.socket.close()
            self.socket = None
        if whole or (not data and found):
            return head[9:12].decode()
        return "" if data else "broken"


def _requests(load: Load) -> Iterator[bytes]:
    template = Template(load.kind, SECRET, load.run)
    for number in range(int(load.seconds * (load.rate or _MOST)) + load.connections):
        body = template.body(number)
        head = (
            f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Stripe-Signature: {template.sign(body)}\r\nContent-Type: application/json\r\n"
            f"User-Agent: Stripe/1.0\r\nAccept: */*\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


def _run(load: Load) -> Answers:
    requests = iter(list(_requests(load)))
    statuses: dict[str, int] = {}
    times: list[float] = []
    idle = [_Client(load.port) for _ in range(load.connections)]
    busy: set[_Client] = set()
    selector = selectors.DefaultSelector()
    started = last = time.perf_counter()
    sent = 0
    while True:
        now = time.perf_counter()
        due = _due(load, started, sent, now)
        while idle and due is not None and due <= now:
            client = idle.pop()
            client.send(next(requests), due, selector)
            busy.add(client)
            sent += 1
            now = time.perf_counter()
            due = _due(load, started, sent, now)
        if not busy and due is None:
            break
        pause = max(0.0, due - now) if idle and due is not None else 1.0
        for key, _ in selector.select(pause):
            status = key.data.read(selector)
            if not status:
                continue
            last = time.perf_counter()
            statuses[status] = statuses.get(status, 0) + 1
            if status == "200":
                times.append((last - key.data.sent_at) * 1000)
            busy.discard(key.data)
            idle.append(key.data)
    return Answers(statuses, last - started, times)


def _due(load: Load, started: float, sent: int, now: float) -> float | None:
    """When the next request is to be sent; None: that was the last one."""
    if load.rate:
        return started + sent / load.rate if sent < max(1, int(load.rate * load.seconds)) else None
    return now if now < started + load.seconds else None


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_run(Load(**json.loads(sys.argv[1]))))))
