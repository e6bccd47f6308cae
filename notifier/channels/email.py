"""Email through Django's own mail API, so that SMTP and every provider that Anymail knows are one channel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parseaddr
from typing import Any, ClassVar

import django
from django.conf import settings
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.encoding import punycode

from notifier import throttle
from notifier.channels import mail_failures
from notifier.channels.base import Channel
from notifier.channels.text import one_line, plain
from notifier.facts import DeliveryError, Message, Receipt, Result

NOT_TAKEN = frozenset({"invalid", "rejected", "failed"})  # of Anymail's statuses
# Django's own backends that print, write to a file, keep in memory or drop what they are given.
KEPT_HERE = {f"django.core.mail.backends.{name}.EmailBackend" for name in ("console", "filebased", "locmem", "dummy")}
SUBJECT = 200  # characters; RFC 5322 allows 998 to a line
HANDLE = 300  # characters that are kept of `Receipt.thread`: the first mail's Message-ID and subject


class Email(Channel):
    """Sends as `from_email`, by the mailer `using` (Django 6.1) or by the backend `backend` (before)."""

    kind = "email"
    can_fold = True
    HANDFUL = throttle.MAIL[0]
    SETTINGS: ClassVar[Mapping[str, str]] = {"from_email": "DEFAULT_FROM_EMAIL", "backend": "EMAIL_BACKEND_PATH"}
    OPTIONS = Channel.OPTIONS | {"using"}
    REQUIRED = frozenset({"backend", "from_email"})
    WAITS = 4  # SMTP: to connect, to say who, to say what, to be answered

    @classmethod
    def sends_nothing(cls, options: Mapping[str, object]) -> str:
        mailers: Mapping[str, Mapping[str, object]] = getattr(settings, "MAILERS", {})  # Django 6.1
        mailer = mailers.get(str(options.get("using", "")), {})
        backend = str(mailer.get("BACKEND") or options.get("backend", ""))
        return f"its backend is {backend}" if backend in KEPT_HERE else ""

    @staticmethod
    def check_address(address: str) -> str | None:
        try:
            validate_email(address)
        except ValidationError:
            return f"{address!r} is not an email address"
        return None

    def send(self, address: str, message: Message) -> Receipt:
        if self.check_address(address):  # Django 5.2 passes some on that are none, as a whole header
            raise DeliveryError(Result.REJECTED, "invalid_address", "not an email address", target_dead=True)
        own_id = self._message_id(message)
        first_id, _, first_subject = one_line(message.thread).partition(" ")
        thread = first_id or own_id
        # Gmail shows mails as one thread only while their subjects are the same, so the first one's is kept.
        subject = first_subject or one_line(message.subject or message.title)[: min(SUBJECT, HANDLE - len(thread) - 1)]
        letter = mail.EmailMultiAlternatives(
            subject,
            plain(message),
            self.option("from_email"),
            [address],
            headers=_headers(own_id, thread),
        )
        if message.html:
            letter.attach_alternative(message.html, "text/html")
        self._hand_over(letter)
        status = getattr(letter, "anymail_status", None)
        _check_recipient(status)
        return Receipt(
            provider_id=str(getattr(status, "message_id", "") or own_id), thread=f"{thread} {subject}" if thread else ""
        )

    def _hand_over(self, letter: mail.EmailMultiAlternatives) -> None:
        connection = None
        opened = False
        try:
            connection = self._connect()
            connection.open()  # by ourselves: until then nothing can have been sent, whatever goes wrong
            opened = True
            if session := getattr(connection, "session", None):
                from notifier.channels.bounded import bound

                session.max_redirects = 0  # requests would send Postmark's token along
                bound(session)
            taken = connection.send_messages([letter])
        except Exception as error:
            if known := mail_failures.of(error, opened=opened):
                raise known from error
            raise
        finally:
            if connection is not None:
                with suppress(Exception):  # the message has its outcome, however the connection ends
                    connection.close()
        if taken == 0:
            raise DeliveryError(Result.REJECTED, "cancelled", "the mail backend sent nothing and said nothing")

    def _connect(self) -> Any:
        """A connection of our own, with our timeout whatever the backend's default (Django's is none)."""
        if django.VERSION >= (6, 1) and hasattr(settings, "MAILERS"):
            connection: Any = mail.mailers[self.option("using", "default")]
        else:
            connection = mail.get_connection(self.option("backend"))
        if hasattr(connection, "timeout"):
            connection.timeout = self.timeout
        if getattr(connection, "esp_name", "") == "Amazon SES":
            from notifier.channels import ses

            ses.bound(connection.client_params, self.timeout)
        return connection

    def _message_id(self, message: Message) -> str:
        """The same for the same message, so that a repeat is shown once: RFC 5322, 3.6.4."""
        if not message.reference:
            return ""
        _, sender = parseaddr(self.option("from_email"))
        domain = punycode(sender.rpartition("@")[2] if "@" in sender else "localhost")
        return f"<{re.sub(r'[^A-Za-z0-9.-]', '-', message.reference)}@{domain}>"


def _headers(own_id: str, thread: str) -> dict[str, str]:
    headers = {"Auto-Submitted": "auto-generated"}  # RFC 3834: no out-of-office answers
    if own_id:
        headers["Message-ID"] = own_id
    if thread != own_id:
        headers |= {"In-Reply-To": one_line(thread), "References": one_line(thread)}
    return headers


def _check_recipient(status: Any) -> None:
    """Anymail raises when all recipients are refused, but not for every way of refusing one."""
    for recipient in getattr(status, "recipients", {}).values():
        if recipient.status in NOT_TAKEN:
            raise DeliveryError(
                Result.REJECTED,
                recipient.status,
                "the provider does not send to this address",
                target_dead=recipient.status != "failed",
            )
