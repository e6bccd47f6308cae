"""A provider that answers fast, or after a delay: Slack's API and its incoming webhooks, with kept connections.

A process of its own, so that it takes no time from whoever calls it: `python -m benchmarks.provider PORT DELAY`.
It keeps when each request came and which mark (`mark_...`) was in it. GET /_arrivals lists them, POST /_forget forgets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import machine
from benchmarks.machine import Setup

MARK = re.compile(rb"mark_[0-9a-z]+")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    delay = 0.0
    arrivals: list[tuple[float, str]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self.transport = transport
        self.waiting = b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            head, length = self.waiting[:end], 0
            if found := LENGTH.search(head):
                length = int(found[1])
            if len(self.waiting) < end + 4 + length:
                return
            body, self.waiting = self.waiting[end + 4 : end + 4 + length], self.waiting[end + 4 + length :]
            self.take(head, body)

    def take(self, head: bytes, body: bytes) -> None:
        close = b"\r\nconnection: close" in head.lower()
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/_"):
            answer = json.dumps(self.arrivals).encode()
            if path == b"/_forget":
                self.arrivals.clear()
            self.answer(answer, close=close)
            return
        marks = {mark.decode() for mark in MARK.findall(body)}
        # An edit of a message is none, nor is what stands below it in small print.
        if not path.endswith(b"/chat.update") and b"rich_text_preformatted" not in body:
            self.arrivals.append((time.monotonic(), " ".join(sorted(marks))))
        number = len(self.arrivals)
        answer = b"ok" if path.startswith(b"/services/") else _yes(number)
        asyncio.get_running_loop().call_later(self.delay, lambda: self.answer(answer, close=close))

    def answer(self, body: bytes, *, close: bool) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.transport.write(head.encode() + (b"Connection: close\r\n\r\n" if close else b"\r\n") + body)
        if close:
            self.transport.close()


@dataclass(frozen=True)
class Provider:
    """One that runs."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def arrivals(self) -> list[tuple[float, str]]:
        """When each message came (time.monotonic()) and what marks were in it, oldest first."""
        with urllib.request.urlopen(f"{self.url}/_arrivals", timeout=30) as answer:  # noqa: S310 - our own
            return [(at, mark) for at, mark in json.load(answer)]

    def forget(self) -> None:
        urllib.request.urlopen(f"{self.url}/_forget", data=b"", timeout=30).close()  # noqa: S310 - our own


@contextlib.contextmanager
def running(setup: Setup, delay: float = 0.0) -> Iterator[Provider]:
    """A provider that answers after `delay` seconds."""
    port = machine.free_port()
    command = [sys.executable, "-m", "benchmarks.provider", str(port), str(delay)]
    with machine.running(setup, command, {"PYTHONPATH": str(machine.ROOT)}):
        machine.until(lambda: machine.listens(port), "the provider")
        yield Provider(port)


def _yes(number: int) -> bytes:
    return json.dumps({"ok": True, "channel": "C0000000001", "ts": f"{time.time():.0f}.{number:06d}"}).encode()


async def _serve(port: int, delay: float) -> None:
    Connection.delay = delay
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
