"""The ASGI application: `granian --interface asginl core.asgi:application`."""

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "core.settings")

SILENT = 10.0  # seconds within a body after which its sender is given up: servers have no such limit of their own
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_django: Any = get_asgi_application()


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """Django's, but for bodies that never end (408) or are broken (400): the server would answer 500 for them."""
    if scope["type"] != "http":
        await _django(scope, receive, send)
        return
    request = _Request(receive, send)
    await _django(scope, request.receive, request.send)
    if request.status and not request.answered:
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": request.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"The body did not arrive whole.\n"})


class _Request:
    """What one request has received and sent."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._is_whole = False
        self.answered = False
        self.status = 0  # to answer with when the body ended badly

    async def receive(self) -> Message:
        if self._is_whole:
            return await self._receive()  # until the sender hangs up
        try:
            message = await asyncio.wait_for(self._receive(), SILENT)
        except TimeoutError:
            return self._gone(408)
        except Exception:  # noqa: BLE001 - each server has errors of its own
            return self._gone(400)
        if message["type"] == "http.disconnect":  # which granian says of broken chunks too
            return self._gone(400)
        self._is_whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        self.answered = True
        await self._send(message)

    def _gone(self, status: int) -> Message:
        self.status = status
        return {"type": "http.disconnect"}
