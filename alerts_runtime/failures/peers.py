"""Which service an exception is about: the host that was called, else the service's name, else "" (not known)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import FrameType
from urllib.parse import urlsplit

from alerts_runtime.failures import foreign
from alerts_runtime.failures.foreign import get, is_a, item, number

_HOST = re.compile(r"[\w.:\[\]-]{1,253}")
_URL_READ = 2000
_FRAMES = 200
_USUAL_PORTS = frozenset({0, 25, 80, 443, 465, 587, 6379})
# By the package of the exception's class: one service each, whatever the host of the moment.
_SERVICES = {"stripe": "stripe", "twilio": "twilio", "redis": "redis", "kombu": "broker", "amqp": "broker"}
_CLIENTS = frozenset({"socket", "http.client", "smtplib", "urllib3.connection", "redis.connection"})
_IN_FRAMES = frozenset(
    {"OSError", "http.client.HTTPException", "redis.exceptions.ConnectionError", "redis.exceptions.TimeoutError"}
)


def peer_of(error: BaseException, classes: tuple[str, ...]) -> str:
    """The host or the service; `classes` are the paths of the exception's class and its bases."""
    service = service_of(classes)
    if service and service != "redis":
        return service
    found = next((host for host in _hosts(error) if host), "")
    if not found and not _IN_FRAMES.isdisjoint(classes):
        found = next((host for host in _hosts_in_frames(error) if host), "")
    return found or service


def service_of(classes: tuple[str, ...]) -> str:
    """The service by the package of the class: "stripe", "redis", ...; empty for others."""
    return next((_SERVICES[root] for path in classes if (root := path.partition(".")[0]) in _SERVICES), "")


def _hosts(error: BaseException) -> Iterator[str]:
    for name in ("request", "response", "request_info"):
        if (holder := get(error, name)) is not None:
            yield _host_of_url(get(holder, "url"))
    yield _host_of_url(item(get(error, "kwargs"), "endpoint_url"))  # botocore
    yield _host_of_url(get(error, "url"))
    yield _host(get(error, "host"), get(error, "port"))  # aiohttp
    for name in ("conn", "pool"):  # urllib3
        if (holder := get(error, name)) is not None:
            yield _host(get(holder, "host"), get(holder, "port"))
            return
    args = get(error, "args")
    for one in args[:3] if is_a(args, tuple) else ():
        if not issubclass(type(one), str | bytes | int | BaseException):
            yield _host(get(one, "host"), get(one, "port"))


def _hosts_in_frames(error: BaseException) -> Iterator[str]:
    """The connection that the standard library's clients were working on, innermost first."""
    frames: list[FrameType] = []
    step = foreign.frames_of(error)
    while step is not None and len(frames) < _FRAMES:
        if step.tb_frame.f_globals.get("__name__") in _CLIENTS:
            frames.append(step.tb_frame)
        step = step.tb_next
    for frame in reversed(frames):
        values = frame.f_locals
        address = values.get("address")
        if is_a(address, tuple) and len(address) >= 2:
            yield _host(address[0], address[1])
        owner = values.get("self")
        yield _host(
            get(owner, "_host") or get(owner, "host") or values.get("host"), get(owner, "port") or values.get("port")
        )


def _host_of_url(url: object) -> str:
    text = foreign.text(url)[:_URL_READ] if url is not None else ""
    if "://" not in text:
        return ""
    try:
        parts = urlsplit(text)
        return _host(parts.hostname, parts.port)
    except ValueError:  # not a URL after all
        return ""


def _host(host: object, port: object) -> str:
    if not is_a(host, str) or not _HOST.fullmatch(host):
        return ""
    name = str.lower(host)
    return name if number(port) in _USUAL_PORTS else f"{name}:{number(port)}"
