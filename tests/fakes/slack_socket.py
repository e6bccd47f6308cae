"""Slack's Socket Mode: the Web API's apps.connections.open, and the connections that it leads to."""

from __future__ import annotations

import asyncio
import json
import threading
from itertools import count
from typing import Any, Self

from aiohttp import WSMsgType, web


class FakeSocketMode:
    """Says hello on every connection, sends what it is told to, and keeps the receipts."""

    def __init__(self) -> None:
        self.receipts: list[str] = []
        self.refuse = ""  # the error with which a new connection is refused
        self._open: list[web.WebSocketResponse] = []
        self._numbers = count(1)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="socket-mode", daemon=True)
        self.port = 0

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def connections(self) -> int:
        return len(self._open)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def send(self, kind: str, payload: dict[str, Any]) -> str:
        """Send a request on the newest connection; its id."""
        envelope = f"envelope-{next(self._numbers)}"
        message = {"type": kind, "envelope_id": envelope, "accepts_response_payload": True, "payload": payload}
        asyncio.run_coroutine_threadsafe(self._open[-1].send_str(json.dumps(message)), self._loop).result(10)
        return envelope

    def drop(self) -> None:
        """Close every connection without a word."""
        for socket in list(self._open):
            asyncio.run_coroutine_threadsafe(socket.close(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_post("/api/apps.connections.open", self._connections_open)
        app.router.add_get("/link/", self._link)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    async def _connections_open(self, request: web.Request) -> web.Response:
        if not request.headers.get("Authorization", "").startswith("Bearer xapp-"):
            return web.json_response({"ok": False, "error": "not_allowed_token_type"})
        if self.refuse:
            return web.json_response({"ok": False, "error": self.refuse})
        return web.json_response({"ok": True, "url": f"ws://127.0.0.1:{self.port}/link/?ticket=secret"})

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._open.append(socket)
        await socket.send_str(json.dumps({"type": "hello", "num_connections": len(self._open)}))
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self.receipts.append(json.loads(message.data)["envelope_id"])
        finally:
            self._open.remove(socket)
        return socket
