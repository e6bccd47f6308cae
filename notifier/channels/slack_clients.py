"""Slack's clients without three things that they do: follow redirects, expect every answer to be text, and log.

A redirect would carry the token to another place. A proxy's page in a wrong encoding would raise. The log would have
the messages' texts and the webhook's URL, which is a secret.
"""

from __future__ import annotations

import json
import logging
from functools import cache
from http.client import HTTPResponse, IncompleteRead
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse

ANSWER = 1_000_000  # bytes; what is beyond is not read
# A level of its own, since otherwise both clients build the texts of log lines that nobody reads.
_SILENT = logging.Logger("slack_sdk", level=logging.CRITICAL + 1)


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None  # urllib then raises the redirect as an HTTPError


class BotClient(WebClient):
    """Calls Slack's Web API. Slack retries nothing by itself: a repeated post would be a second message."""

    def __init__(self, token: str, base_url: str, timeout: float) -> None:
        super().__init__(token, base_url, logger=_SILENT, retry_handlers=[])
        self.seconds = timeout  # their own `timeout` is declared as a whole number

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        status, headers, body = _exchange(req, self.seconds, self.proxy)
        return {"status": status, "headers": headers, "body": body if _is_object(body) else ""}


class HookClient(WebhookClient):
    """Posts to an incoming webhook. It answers with a status and a word, and raises for neither."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(url, logger=_SILENT, retry_handlers=[])
        self.seconds = timeout

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        status, headers, body = _exchange(req, self.seconds, self.proxy)
        return WebhookResponse(url=url, status_code=status, body=body, headers=headers)


@cache
def _opener(proxy: str | None) -> OpenerDirector:
    """Made once: reading the certificates takes some 35 ms."""
    proxies = [ProxyHandler({"http": proxy, "https": proxy})] if proxy else []
    return build_opener(_NoRedirect, HTTPSHandler(), *proxies)


def _exchange(request: Request, timeout: float, proxy: str | None) -> tuple[int, dict[str, str], str]:
    try:
        with _opener(proxy).open(request, timeout=timeout) as answer:
            return answer.status, dict(answer.headers), _text(_whole(answer))
    except HTTPError as error:
        with error:
            return error.code, dict(error.headers), _text(error.read(ANSWER))


def _whole(answer: HTTPResponse) -> bytes:
    """The body. Raises IncompleteRead when it breaks off, or goes on beyond the limit."""
    body = answer.read(ANSWER)
    if answer.length or (answer.length is None and answer.read(1)):
        raise IncompleteRead(body, answer.length)
    return body


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _is_object(body: str) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False
