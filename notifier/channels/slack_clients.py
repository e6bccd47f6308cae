"""Slack's clients without three things that they do: follow redirects, expect every answer to be text, and log.

Their methods are used as they are; what each of them calls in order to send, `api_call` and `send_dict`, is ours.
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
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from slack_sdk.web import SlackResponse, WebClient
from slack_sdk.webhook import WebhookClient, WebhookResponse

Arguments = dict[str, Any]
ANSWER = 1_000_000  # bytes; what is beyond is not read
# A level of its own, since otherwise both clients build the texts of log lines that nobody reads.
_SILENT = logging.Logger("slack_sdk", level=logging.CRITICAL + 1)


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None  # urllib then raises the redirect as an HTTPError


class BotClient(WebClient):
    """Calls Slack's Web API, each method through `api_call`. Nothing is sent twice: it would be two messages."""

    def __init__(self, token: str, base_url: str, timeout: float) -> None:
        super().__init__(token, base_url, logger=_SILENT)
        self.seconds = timeout  # their own `timeout` is declared as a whole number

    def api_call(
        self,
        api_method: str,
        *,
        http_verb: str = "POST",
        files: Arguments | None = None,
        data: Arguments | None = None,
        params: Arguments | None = None,
        json: Arguments | None = None,
        headers: dict[str, str] | None = None,
        auth: Arguments | None = None,
    ) -> SlackResponse:
        """By POST, which every method takes, with all arguments in the body. Raises SlackApiError when refused."""
        url = urljoin(self.base_url, api_method)
        arguments = {**(params or {}), **(data or {}), **(json or {})}
        token = arguments.pop("token", None) or self.token
        known = {**self.headers, **(headers or {}), "Authorization": f"Bearer {token}"}
        request = _form(url, known, arguments) if json is None else _json(url, known, arguments)
        status, answered, body = _exchange(request, self.seconds, self.proxy)
        answer = SlackResponse(
            client=self,
            http_verb="POST",
            api_url=url,
            req_args={},  # what was sent, which an exception would show
            data=_object(body),
            headers=answered,
            status_code=status,
        )
        answer.validate()  # type: ignore[no-untyped-call]
        return answer


class HookClient(WebhookClient):
    """Posts to an incoming webhook. It answers with a status and a word, and raises for neither."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(url, logger=_SILENT)
        self.seconds = timeout

    def send_dict(self, body: Arguments, headers: dict[str, str] | None = None) -> WebhookResponse:
        request = _json(self.url, {**self.default_headers, **(headers or {})}, body)
        status, answered, word = _exchange(request, self.seconds, self.proxy)
        return WebhookResponse(url=self.url, status_code=status, body=word, headers=answered)


def _json(url: str, headers: dict[str, str], body: Arguments) -> Request:
    kind = {"Content-Type": "application/json;charset=utf-8"}
    return Request(url, json.dumps(body).encode(), headers | kind, method="POST")  # noqa: S310 - see _exchange


def _form(url: str, headers: dict[str, str], arguments: Arguments) -> Request:
    fields = {name: int(value) if isinstance(value, bool) else value for name, value in arguments.items()}
    body = urlencode({name: value for name, value in fields.items() if value is not None})
    return Request(url, body.encode(), headers, method="POST")  # noqa: S310 - see _exchange


@cache
def _opener(proxy: str | None) -> OpenerDirector:
    """Made once: reading the certificates takes some 35 ms."""
    proxies = [ProxyHandler({"http": proxy, "https": proxy})] if proxy else []
    return build_opener(_NoRedirect, HTTPSHandler(), *proxies)


def _exchange(request: Request, timeout: float, proxy: str | None) -> tuple[int, dict[str, str], str]:
    if request.type not in ("http", "https"):
        raise ValueError("neither http nor https")  # urllib would open files too
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


def _object(body: str) -> Arguments:
    """Empty when it is none: who answered is not Slack."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
