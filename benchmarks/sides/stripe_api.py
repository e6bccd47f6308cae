"""Stripe's API as far as dj-stripe asks for it, answering at once, and counting. A process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from benchmarks.events import customer, invoice

_ACCOUNT = {
    "id": "acct_benchmark",
    "object": "account",
    "type": "standard",
    "charges_enabled": True,
    "details_submitted": True,
    "payouts_enabled": True,
    "country": "DE",
    "default_currency": "eur",
    "email": "owner@shop.example",
    "metadata": {},
}
_seen: list[str] = []


def _answer(path: str) -> dict[str, Any]:
    if path == "/seen":
        return {"seen": _seen}
    _seen.append(path)
    *_, collection, pk = path.rstrip("/").split("/")
    if pk == "account" or collection == "accounts":
        return _ACCOUNT
    if collection == "customers":
        return customer(pk)
    if collection == "invoices":
        return invoice(pk.removeprefix("in_"), "cus_000000") | {"lines": _list("/v1/invoices/lines")}
    return _list(path)


def _list(url: str) -> dict[str, Any]:
    return {"object": "list", "data": [], "has_more": False, "url": url}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            body = json.dumps(_answer(target.partition("?")[0])).encode()
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _main(port: int) -> None:
    async with await asyncio.start_server(_serve, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
