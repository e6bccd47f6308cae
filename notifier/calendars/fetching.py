"""Fetches a calendar from a URL in the settings, with limits of size and time, and not from private networks.

The connection is made to the address that was checked, so a name that resolves to another one a moment later does no
harm.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from urllib.parse import SplitResult, urljoin, urlsplit

MOST_BYTES = 2_000_000
DEADLINE = 20.0  # seconds for all of it
PAUSE = 5.0  # seconds without a byte
REDIRECTS = 3
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_REDIRECT = (301, 302, 303, 307, 308)


def fetch(url: str, *, allow_private: bool = False) -> bytes:
    """The calendar at this URL. Raises ValueError, in words without the URL, which may be a secret.

    `allow_private`: also from private networks.
    """
    end = time.monotonic() + DEADLINE
    for _ in range(REDIRECTS + 1):
        try:
            status, location, body = _get(urlsplit(url), end, allow_private=allow_private)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise ValueError(f"it cannot be fetched ({type(error).__name__})") from error
        if status in _REDIRECT and location:
            url = urljoin(url, location)
        elif status == 200:
            return body
        else:
            raise ValueError(f"it cannot be fetched (HTTP {status})")
    raise ValueError(f"it redirects more than {REDIRECTS} times")


def _get(url: SplitResult, end: float, *, allow_private: bool) -> tuple[int, str, bytes]:
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("it redirects to something that is not a web address")
    port = url.port or (443 if url.scheme == "https" else 80)
    connection = http.client.HTTPConnection(url.hostname, port, timeout=PAUSE)
    try:
        connection.sock = _connected(url.hostname, port, allow_private=allow_private)
        if url.scheme == "https":
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(connection.sock, server_hostname=url.hostname)
        path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        connection.request("GET", path, headers={"Accept": "text/calendar", "User-Agent": "stripe-webhook-alerts"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location", ""), _body(answer, end)
    finally:
        connection.close()


def _connected(host: str, port: int, *, allow_private: bool) -> socket.socket:
    for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        ip = str(address[0])
        if allow_private or _is_public(ipaddress.ip_address(ip.partition("%")[0])):
            return socket.create_connection((ip, port), timeout=PAUSE)
    raise ValueError('it is in a private network: add "ALLOW_PRIVATE": True if it is to be')


def _is_public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is on the internet. IPv6 addresses that may stand for a private IPv4 address are not."""
    if isinstance(ip, ipaddress.IPv6Address) and (ip.sixtofour or ip.teredo or ip in _NAT64):
        return False
    return ip.is_global and not ip.is_multicast


def _body(answer: http.client.HTTPResponse, end: float) -> bytes:
    found = bytearray()
    while chunk := answer.read1(65_536):
        found += chunk
        if len(found) > MOST_BYTES:
            raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
        if time.monotonic() > end:
            raise ValueError(f"it took longer than {DEADLINE:.0f} seconds")
    return bytes(found)
