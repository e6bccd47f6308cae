"""Reads a request's whole body, up to a limit, with or without a Content-Length."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest

from webhooks.exceptions import EmptyBody, TooLarge, Unreadable

_LONGEST_NUMBER = 15  # digits


def read(request: HttpRequest, limit: int) -> bytes:
    """The body, of at most `limit` bytes; Django's DATA_UPLOAD_MAX_MEMORY_SIZE does not count here.

    Without a Content-Length (a body in chunks) Django reads nothing; a server that ends the stream itself, which it
    says by `wsgi.input_terminated`, is read to the end. Raises TooLarge, Unreadable or EmptyBody.
    """
    length = _content_length(request)
    if length is not None and length > limit:
        raise _too_large(limit)
    try:
        body = _read_all(_reader(request, length), limit)
    except Exception:  # noqa: BLE001 - each server has errors of its own; all mean that the sender did not finish
        raise Unreadable("The connection broke before the whole body had arrived.") from None
    if len(body) > limit:
        raise _too_large(limit)
    if length is not None and len(body) < length:
        raise Unreadable("The body is shorter than its Content-Length.")
    if not body:
        raise EmptyBody("The body is empty: a proxy may have dropped it.")
    return body


def _content_length(request: HttpRequest) -> int | None:
    text = request.META.get("CONTENT_LENGTH") or ""
    if not text.isascii() or not text.isdigit():
        return None
    return int(text) if len(text) <= _LONGEST_NUMBER else 10**_LONGEST_NUMBER


def _reader(request: HttpRequest, length: int | None) -> Callable[[int], bytes]:
    environ = getattr(request, "environ", {})  # ASGI has none: there Django has read the body already
    if length is None and environ.get("wsgi.input_terminated"):
        reader: Callable[[int], bytes] = environ["wsgi.input"].read
        return reader
    return request.read


def _read_all(read_some: Callable[[int], bytes], limit: int) -> bytes:
    """At most one byte more than the limit. Each read may return less than it was asked for."""
    parts: list[bytes] = []
    left = limit + 1
    while left > 0 and (part := read_some(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than {limit} bytes.")
