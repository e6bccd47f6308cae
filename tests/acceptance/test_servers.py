"""The documented web servers as real processes, spoken to over raw sockets in every way that HTTP allows."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import pytest
import stripe

from tests.acceptance import nginx
from tests.acceptance.nginx import answers
from tests.acceptance.site import SECRET, Site, database_in_use, event, eventually, free_port, same_on_each_engine

pytestmark = same_on_each_engine

GRANIAN = ("-m", "granian", "--no-ws", "--workers", "1", "--http1-header-read-timeout", "2000")
SERVERS = {
    "granian": (*GRANIAN, "--interface", "wsgi", "--blocking-threads", "8", "core.wsgi:application"),
    "granian under ASGI": (*GRANIAN, "--interface", "asginl", "core.asgi:application"),
    "gunicorn": ("-m", "gunicorn", "--workers", "1", "--threads", "8", "core.wsgi:application"),
}
SIGNED = "Stripe-Signature: {signature}\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


class Server:
    """A web server of a site, and what a sender does with its sockets."""

    def __init__(self, site: Site, port: int) -> None:
        self.site, self.port = site, port

    def open(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=15)

    def talk(self, *parts: bytes, pause: float = 0.0) -> int:
        """The status of the answer to these bytes; 0 when it hung up."""
        with self.open() as wire:
            for part in parts:
                wire.sendall(part)
                time.sleep(pause)
            return status(wire)

    def is_stored(self, body: bytes) -> bool:
        name = json.loads(body)["id"]
        return bool(self.site.value(f"SELECT count(*) FROM swa_webhooks_webhookevent WHERE event_id = '{name}'"))


def status(wire: socket.socket) -> int:
    """Of the next answer that is not 100 Continue, whose body is read as well."""
    with contextlib.suppress(ConnectionError):
        reader = wire.makefile("rb")
        while line := reader.readline():
            code, length = int(line.split()[1]), 0
            while (header := reader.readline().strip()) != b"":
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            reader.read(length)
            if code != 100:
                return code
    return 0


def head(body: bytes, *more: str, path: str = "/stripe/default/", version: str = "1.1") -> bytes:
    signature = stripe.WebhookSignature.generate_signature_header(body.decode(), SECRET)
    lines = [f"POST {path} HTTP/{version}\r\n", SIGNED.format(signature=signature), *(f"{line}\r\n" for line in more)]
    return "".join([*lines, "\r\n"]).encode()


def chunks(body: bytes, size: int = 100) -> list[bytes]:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return [*(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]


def an_event() -> bytes:
    return json.dumps(event()).encode()


@contextlib.contextmanager
def serving(site: Site, *command: str) -> Iterator[Server]:
    port = free_port()
    where = ["--bind", f"127.0.0.1:{port}"] if "gunicorn" in command else ["--host", "127.0.0.1", "--port", str(port)]
    process = site._start("server", *command[:-1], *where, command[-1])
    server = Server(site, port)
    try:
        eventually(lambda: answers(port), what="the server's first answer")
        yield server
    finally:
        site.kill(process)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"), database_in_use(), engine="worker", DEMO="true")
    yield made
    made.close()


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, site: Site) -> Iterator[Server]:
    with serving(site, *SERVERS[request.param]) as found:
        yield found


def test_a_body_with_its_length(server: Server) -> None:
    body = an_event()
    assert server.talk(head(body, f"Content-Length: {len(body)}"), body) == 200
    assert server.is_stored(body)


def test_a_body_in_chunks(server: Server) -> None:
    body = an_event()
    assert server.talk(head(body, "Transfer-Encoding: chunked"), *chunks(body)) == 200
    assert server.is_stored(body)


def test_a_slow_body(server: Server) -> None:
    for framing, parts in (("length", None), ("chunks", "chunked")):
        body = an_event()
        pieces = chunks(body, 200) if parts else [body[:1], body[1:300], body[300:]]
        header = "Transfer-Encoding: chunked" if parts else f"Content-Length: {len(body)}"
        assert server.talk(head(body, header), *pieces, pause=0.1) == 200, framing
        assert server.is_stored(body)


def test_http_1_0(server: Server) -> None:
    body = an_event()
    assert server.talk(head(body, f"Content-Length: {len(body)}", version="1.0"), body) == 200
    assert server.is_stored(body)


def test_a_sender_that_asks_first(server: Server) -> None:
    body = an_event()
    asks = head(body, f"Content-Length: {len(body)}", "Expect: 100-continue")
    assert server.talk(asks, body, pause=0.1) == 200
    assert server.is_stored(body)


def test_several_requests_on_one_connection(server: Server) -> None:
    with server.open() as wire:
        for framing in ("length", "chunks", "length"):
            body = an_event()
            if framing == "chunks":
                wire.sendall(head(body, "Transfer-Encoding: chunked") + b"".join(chunks(body)))
            else:
                wire.sendall(head(body, f"Content-Length: {len(body)}") + body)
            assert status(wire) == 200, framing
            assert server.is_stored(body)


@pytest.mark.parametrize("other", [["Content-Length: 5"], ["Transfer-Encoding: chunked"]], ids=["length", "chunked"])
def test_two_framings_are_never_an_error_of_ours(server: Server, other: list[str]) -> None:
    body = an_event()
    answer = server.talk(head(body, f"Content-Length: {len(body)}", *other), body)
    assert answer in (0, 400), answer
    assert not server.is_stored(body)


def test_an_empty_body_and_one_that_is_too_large(server: Server) -> None:
    assert server.talk(head(b"", "Content-Length: 0")) == 400
    assert server.talk(head(b"", "Transfer-Encoding: chunked"), b"0\r\n\r\n") == 400
    assert server.talk(head(b"", "Content-Length: 1048577")) in (0, 408, 413)
    assert server.talk(head(b"", "Transfer-Encoding: chunked"), *chunks(b"x" * 1_100_000, 100_000)) in (0, 413)


def test_broken_chunks_are_never_an_error_of_ours(server: Server) -> None:
    body = an_event()
    for broken in (b"zz\r\n{}\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n{}", b"5\r\n{}\r\n0\r\n\r\n"):
        with server.open() as wire:
            wire.sendall(head(body, "Transfer-Encoding: chunked") + broken)
            wire.shutdown(socket.SHUT_WR)
            assert status(wire) in (0, 400), broken
    assert not server.is_stored(body)


def test_under_asgi_slow_senders_hold_nobody_up_and_are_cut_off(site: Site) -> None:
    body = an_event()
    with serving(site, *SERVERS["granian under ASGI"]) as server, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(server.open()) for _ in range(24)]
        for number, wire in enumerate(slow):
            wire.sendall(head(body, "Content-Length: 1000") + b"{" if number % 2 else head(body)[:-2])
        time.sleep(0.5)
        began = time.monotonic()
        assert server.talk(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") == 200
        assert server.talk(head(body, f"Content-Length: {len(body)}"), body) == 200
        assert time.monotonic() - began < 1.5
        assert {status(wire) for wire in slow} <= {0, 408}
        assert time.monotonic() - began < 14


# --- Slow senders, behind the proxy that deploy/ has ------------------------------------------------------------------


@pytest.fixture(scope="module")
def proxied(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not nginx.PROGRAM:
        pytest.skip("nginx is not installed: apt install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    with serving(site, *SERVERS["granian"]) as behind, nginx.in_front_of(behind.port, folder) as port:
        yield Server(site, port)


def test_through_the_proxy_every_framing_arrives(proxied: Server) -> None:
    for framing in ("length", "chunks"):
        body = an_event()
        if framing == "chunks":
            assert proxied.talk(head(body, "Transfer-Encoding: chunked"), *chunks(body)) == 200
        else:
            assert proxied.talk(head(body, f"Content-Length: {len(body)}"), body) == 200
        assert proxied.is_stored(body)


@pytest.mark.parametrize("what", ["headers", "bodies"])
def test_slow_senders_hold_nobody_up_and_are_cut_off(proxied: Server, what: str) -> None:
    body = an_event()
    begun = head(body, "Content-Length: 1000") + b"{" if what == "bodies" else head(body)[:-2]
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(proxied.open()) for _ in range(24)]  # three for each thread of the service
        for wire in slow:
            wire.sendall(begun)
        time.sleep(0.5)
        began = time.monotonic()
        assert proxied.talk(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") == 200
        assert proxied.talk(head(body, f"Content-Length: {len(body)}"), body) == 200
        assert time.monotonic() - began < 1.5
        for wire in slow:
            assert status(wire) in (0, 408)
        assert time.monotonic() - began < 8  # with a patience of 2 s
