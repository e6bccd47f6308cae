"""Providers on loopback, for tests that send over real sockets.

A fake is a context manager, and a process: `python -m tests.fakes.slack --port 8081`. Either way it keeps what it
received and what state the provider would be in, and does next what a script says:

    with FakeSlack() as slack:
        slack.script({"status": 429, "headers": {"Retry-After": "7"}}, {"broken": "reset"})

    GET  /_received   every request, oldest first        POST /_script  a step or a list of steps
    GET  /_messages   what the provider has taken        POST /_reset   forget everything
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import sys
import threading
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

JSON = "application/json; charset=utf-8"
FLOOD = 300_000_000


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: str

    @property
    def fields(self) -> dict[str, Any]:
        """The body's fields, from JSON or from a form."""
        if "json" in self.headers.get("content-type", ""):
            parsed = json.loads(self.body or "{}")
            return parsed if isinstance(parsed, dict) else {}
        return dict(parse_qsl(self.body, keep_blank_values=True))


@dataclass
class Reply:
    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": JSON})

    @classmethod
    def of(cls, value: object, status: int = 200) -> Reply:
        return cls(status, json.dumps(value))


@dataclass(frozen=True)
class Step:
    """What to do with the next request instead of what the provider would do.

    `broken` is "closed" (no answer), "reset", "garbage" (no HTTP at all), "halfway" through the body, "flood" (a body
    of `FLOOD` bytes) or "bomb" (as much, compressed to a thousandth). With `taken` the provider does its work before
    the answer goes wrong, which is how a message comes to be sent twice; what is only late or cut short is taken in
    any case.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    delay: float = 0.0  # seconds before the answer's head
    body_delay: float = 0.0  # seconds between head and body
    broken: str = ""
    taken: bool = False
    match: str = ""  # only for a request whose path has this in it

    @property
    def replaces(self) -> bool:
        return self.status is not None or self.body is not None or self.broken in ("closed", "reset", "garbage")


class Fake:
    """A provider's HTTP API. Subclasses answer in `respond` and keep what they took in `messages`."""

    name: ClassVar[str] = "fake"

    def __init__(self, port: int = 0) -> None:
        self.received: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self.wrong: list[str] = []  # what the provider does not describe, and was sent all the same
        self.flooded = 0  # bytes of the floods that were sent
        self.stopping = threading.Event()
        self._steps: list[Step] = []
        self._lock = threading.RLock()
        handler = type("Handler", (_Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def respond(self, request: Request) -> Reply:
        """What the provider would answer."""
        return Reply.of({}, 404)

    def script(self, *steps: Mapping[str, Any]) -> None:
        with self._lock:
            self._steps.extend(Step(**step) for step in steps)

    def reset(self) -> None:
        with self._lock:
            self.received.clear()
            self.messages.clear()
            self._steps.clear()
            self.flooded = 0

    def __enter__(self) -> Self:
        serve = {"poll_interval": 0.01}
        threading.Thread(target=self._server.serve_forever, kwargs=serve, name=self.name, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        assert not self.wrong, self.wrong

    def control(self, request: Request) -> Reply:
        if request.path == "/_script":
            steps = json.loads(request.body)
            self.script(*(steps if isinstance(steps, list) else [steps]))
        elif request.path == "/_reset":
            self.reset()
        with self._lock:
            answers = {"/_received": self.received, "/_messages": self.messages}
            return Reply.of(answers.get(request.path, {"ok": True}))

    def handle(self, request: Request) -> tuple[Reply, Step]:
        with self._lock:
            self.received.append(asdict(request))
            step = self._next_step(request.path)
            reply = self.respond(request) if step.taken or not step.replaces else Reply()
        if step.body is not None:
            reply.body = step.body if isinstance(step.body, str) else json.dumps(step.body)
        elif step.status is not None:
            reply.body = "{}"
        reply.status = step.status or reply.status
        reply.headers |= step.headers
        return reply, step

    def _next_step(self, path: str) -> Step:
        for step in self._steps:
            if step.match in path:
                self._steps.remove(step)
                return step
        return Step()


class _Handler(BaseHTTPRequestHandler):
    fake: Fake
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.close_connection = True
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        if len(raw) < length:
            return  # it broke off: no provider acts on half a request
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=raw.decode("utf-8", "replace"),
        )
        if request.path.startswith("/_"):
            self._write(self.fake.control(request), Step())
            return
        reply, step = self.fake.handle(request)
        self.fake.stopping.wait(step.delay)
        if step.broken == "reset":
            self._reset()
        elif step.broken == "garbage":
            self.wfile.write(b"\x00\xff not HTTP at all \x80\r\n\r\n")
        elif step.broken in ("flood", "bomb"):
            self._flood(reply, bomb=step.broken == "bomb")
        elif step.broken != "closed":
            self._write(reply, step)

    def _flood(self, reply: Reply, *, bomb: bool) -> None:
        chunk = b" " * 1_000_000
        packer = zlib.compressobj(wbits=31)  # gzip
        self.send_response(reply.status)
        for name, value in (reply.headers | ({"Content-Encoding": "gzip"} if bomb else {})).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for _ in range(FLOOD // len(chunk)):
                self.wfile.write(packer.compress(chunk) if bomb else chunk)
                self.fake.flooded += len(chunk)
            self.wfile.write(packer.flush() if bomb else b"")
        except OSError:  # the client has read enough
            pass

    def _write(self, reply: Reply, step: Step) -> None:
        body = reply.body.encode("utf-8", "surrogateescape")
        try:
            self.send_response(reply.status)
            for name, value in (reply.headers | {"Content-Length": str(len(body)), "Connection": "close"}).items():
                self.send_header(name, value)
            self.end_headers()
            self.fake.stopping.wait(step.body_delay)
            self.wfile.write(body[: len(body) // 2] if step.broken == "halfway" else body)
        except OSError:  # the client has given up, which is what the delay was for
            pass

    def _reset(self) -> None:
        # Closing with a linger time of zero sends RST instead of FIN.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """Silent: what was received is kept."""


def run(fake: type[Fake]) -> None:
    """A fake as a process, until it is killed."""
    parser = argparse.ArgumentParser(description=fake.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and says which")
    with fake(parser.parse_args().port) as running:
        sys.stdout.write(f"{running.name} listens on {running.url}\n")
        sys.stdout.flush()
        running.stopping.wait()
