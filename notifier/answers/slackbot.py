"""Slack's Socket Mode: answers come through connections that this side opens, so no public address is needed.

There are two, since Slack closes each from time to time, and one may stall unnoticed. What comes is stored, like what
is posted over HTTP (slack_view.py), before it is confirmed to Slack: what is not confirmed the person sees as failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import close_old_connections

from alerts_runtime.isolation.threads import close_connections, daemon
from alerts_runtime.leasing import clock
from alerts_runtime.redaction.loggers import get_logger
from notifier.answers import slack_work
from notifier.answers.slack_asked import Asked, of_button, of_command, of_event
from notifier.flow import listeners

if TYPE_CHECKING:
    from slack_sdk.socket_mode.builtin import SocketModeClient
    from slack_sdk.socket_mode.client import BaseSocketModeClient
    from slack_sdk.socket_mode.request import SocketModeRequest

log = get_logger(__name__)

CONNECTIONS = 2
BEAT = 15.0  # seconds between two looks at the connections
STALE = 60.0  # seconds without a pong after which a connection counts as dead
TIMEOUT = 10.0
# The library would log URLs with their secret tickets, and every message.
_SILENT = logging.Logger("slack_sdk.socket_mode", level=logging.CRITICAL + 1)


class Bot:
    """Listens on its connections until it is told to stop."""

    def __init__(self, app_token: str, base_url: str, name: str) -> None:
        self._token, self._url, self._name = app_token, base_url, name
        self._clients: list[SocketModeClient] = []

    def run(self, stop: threading.Event, beat: float = BEAT, on_connected: Callable[[], None] = lambda: None) -> None:
        """Raises SlackApiError when Slack does not accept the token at the start; later failures are tried again."""
        try:
            self._clients = [self._connect() for _ in range(CONNECTIONS)]
            on_connected()
            while True:
                self._look()
                if stop.wait(beat):
                    break
        finally:
            # Each takes seconds to end its threads.
            closing = [daemon("slackbot-close", client.close) for client in self._clients]
            for thread in closing:
                thread.start()
            for thread in closing:
                thread.join(TIMEOUT)
            listeners.forget(self._name)

    def alive(self) -> int:
        """The number of connections on which Slack has answered lately."""
        return sum(map(_is_alive, self._clients))

    def _connect(self) -> SocketModeClient:
        from slack_sdk.socket_mode.builtin import SocketModeClient

        from notifier.channels.slack_clients import BotClient

        web = BotClient("", self._url or BotClient.BASE_URL, TIMEOUT)
        client = SocketModeClient(self._token, logger=_SILENT, web_client=web, concurrency=2)
        client.socket_mode_request_listeners.append(_hear)
        client.connect()
        return client

    def _look(self) -> None:
        close_old_connections()
        for number, client in enumerate(self._clients):
            if not _is_alive(client):
                self._connect_again(number, client)
        alive = self.alive()
        try:
            if alive:
                listeners.beat(self._name, alive, clock.now())
        except Exception:
            log.exception("slackbot.beat_failed")

    def _connect_again(self, number: int, client: SocketModeClient) -> None:
        """Put a new client in the place of one that stalled, which may not reconnect by itself."""
        try:
            fresh = self._connect()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look tries again
            log.warning("slack.not_reached", error=type(error).__name__)
            return
        self._clients[number] = fresh
        client.close()


def _is_alive(client: SocketModeClient) -> bool:
    session = client.current_session
    if session is None or not session.is_active():
        return False
    pong = session.last_ping_pong_time
    return pong is None or time.time() - pong < STALE


def _hear(client: BaseSocketModeClient, request: SocketModeRequest) -> None:
    """Store what somebody asked, then confirm it to Slack."""
    from slack_sdk.socket_mode.response import SocketModeResponse

    close_old_connections()
    try:
        asked = _asked(request)
        if asked is not None:
            slack_work.keep(asked, clock.now())
    except Exception:
        log.exception("answer.lost", provider="slack")
        return
    finally:
        close_connections()  # the library ends this thread when it likes
    client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))


def _asked(request: SocketModeRequest) -> Asked | None:
    """The payloads are those of HTTP: https://docs.slack.dev/apis/events-api/using-socket-mode/"""
    if request.type == "events_api":
        return of_event(request.payload)
    if request.type == "interactive":
        return of_button(request.payload)
    return of_command(request.payload) if request.type == "slash_commands" else None
