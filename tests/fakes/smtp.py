"""A mail server: SMTP on one port, the same control over HTTP as the other fakes on another."""

from __future__ import annotations

import argparse
import asyncio
import email
import email.policy
import logging
import socket
import sys
from collections.abc import Mapping
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.fakes import Fake

logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd's own: a line for each command


class FakeSmtp(Fake):
    """Takes every message. A step names the command it is for: EHLO, AUTH, MAIL, RCPT, or DATA for the whole text.

    smtp.script({"stage": "RCPT", "reply": "550 5.1.1 no such user"}, {"stage": "DATA", "close": True})
    """

    name = "smtp"

    def __init__(self, port: int = 0, smtp_port: int = 0) -> None:
        super().__init__(port)
        self.smtp_port = smtp_port or _free_port()
        self.stages: list[dict[str, Any]] = []
        self._controller = Controller(
            _Hooks(self),
            hostname="127.0.0.1",
            port=self.smtp_port,
            authenticator=self._authenticate,
            auth_require_tls=False,
        )

    def script(self, *steps: Mapping[str, Any]) -> None:
        self.stages.extend(dict(step) for step in steps)

    def reset(self) -> None:
        super().reset()
        self.stages.clear()

    def next_stage(self, stage: str) -> dict[str, Any]:
        for step in self.stages:
            if step["stage"] == stage:
                self.stages.remove(step)
                return step
        return {}

    def __enter__(self) -> Self:
        self._controller.start()
        return super().__enter__()

    def __exit__(self, *arguments: object) -> None:
        super().__exit__(*arguments)
        self._controller.stop()

    def _authenticate(self, *_: Any) -> AuthResult:
        reply = self.next_stage("AUTH").get("reply")
        return AuthResult(success=reply is None, handled=False, message=reply)


class _Hooks:
    def __init__(self, fake: FakeSmtp) -> None:
        self.fake = fake

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        reply = await self._reply("EHLO", server)
        return [reply] if reply else responses

    async def handle_MAIL(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return await self._reply("MAIL", server) or "250 OK"

    async def handle_RCPT(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = await self._reply("RCPT", server)
        if not reply:
            envelope.rcpt_tos.append(address)
        return reply or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        step = self.fake.next_stage("DATA")
        if step.get("taken") or not (step.get("reply") or step.get("close")):
            self.fake.messages.append(_parsed(envelope))
        return await _do(step, server) or "250 OK: queued"

    async def _reply(self, stage: str, server: SMTP) -> str:
        return await _do(self.fake.next_stage(stage), server)


async def _do(step: dict[str, Any], server: SMTP) -> str:
    await asyncio.sleep(step.get("delay", 0))
    if step.get("close") and isinstance(server.transport, asyncio.Transport):
        server.transport.abort()
    return str(step.get("reply", ""))


def _parsed(envelope: Envelope) -> dict[str, Any]:
    mail = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    return {
        "to": list(envelope.rcpt_tos),
        "from": envelope.mail_from,
        "subject": str(mail["Subject"]),
        "text": text.get_content() if text else "",
        "html": html.get_content() if html else "",
        "headers": {name: str(value) for name, value in mail.items()},
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=FakeSmtp.__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the control over HTTP")
    parser.add_argument("--smtp-port", type=int, default=0)
    asked = parser.parse_args()
    with FakeSmtp(asked.port, asked.smtp_port) as running:
        sys.stdout.write(f"smtp listens on 127.0.0.1:{running.smtp_port}, control on {running.url}\n")
        sys.stdout.flush()
        running.stopping.wait()
