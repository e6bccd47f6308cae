"""Email through Django's own mail API, so that SMTP and every provider that Anymail knows are one channel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import parseaddr
from typing import Any, ClassVar

import django
from django.conf import settings
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.encoding import punycode

from notifier.channels import bounded_smtp, mail_backend, mail_failures
from notifier.channels.base import Channel
from notifier.channels.text import one_line, plain
from notifier.facts import HANDLE, PROVIDER_ID, DeliveryError, Message, Receipt, Result, storable
from notifier.judge import throttle

# Django's own backends that print, write to a file, keep in memory or drop what they are given.
KEPT_HERE = {f"django.core.mail.backends.{name}.EmailBackend" for name in ("console", "filebased", "locmem", "dummy")}
ANSWER = "Answer: acknowledge, resolve, silence"
SUBJECT = 200  # characters; RFC 5322 allows 998 to a line


class Email(Channel):
    """Sends as `from_email`, by the mailer `using` (Django 6.1) or by the backend `backend` (before)."""

    kind = "email"
    can_fold = True
    HANDFUL = throttle.MAIL[0]
    RATES = throttle.MAIL
    CRITICAL_RATES = throttle.MAIL_CRITICAL
    EXAMPLE = 'Write such as "team@example.com".'
    RECIPIENTS = "ALERT_EMAIL_TO"
    STAND_IN = "team"
    wakes = False
    SETTINGS: ClassVar[Mapping[str, str]] = {"from_email": "DEFAULT_FROM_EMAIL", "backend": "EMAIL_BACKEND"}
    OPTIONS = Channel.OPTIONS | {"using"}
    REQUIRED = frozenset({"backend", "from_email"})
    WAITS = 4  # SMTP: to connect, to say who, to say what, to be answered

    @classmethod
    def wrong_options(cls, options: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
        backend = str(options.get("backend", ""))
        if backend and (wrong := mail_backend.wrong(backend)):
            yield "backend", wrong, ""
        _, sender = parseaddr(str(options.get("from_email", "")))
        if sender and (cls.check_address(sender) or sender.endswith("@localhost")):
            yield "from_email", "is not an address that providers send from", 'Write such as "alerts@example.com".'

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

    @property
    def answered_by(self) -> str:
        return "link"

    def send(self, address: str, message: Message) -> Receipt:
        if self.check_address(address):  # Django 5.2 passes some on that are none, as a whole header
            raise DeliveryError(Result.REJECTED, "invalid_address", "not an email address", target_dead=True)
        own_id = self._message_id(message)
        first_id, _, first_subject = one_line(message.thread).partition(" ")
        thread = first_id or own_id
        # Gmail shows mails as one thread only while their subjects are equal, so all have the first one's.
        subject = first_subject or one_line(message.subject or message.title)[: min(SUBJECT, HANDLE - len(thread) - 1)]
        letter = mail.EmailMultiAlternatives(
            subject,
            plain(message) + _links(message),
            self.option("from_email"),
            [address],
            headers=_headers(own_id, thread) | _unsubscribe(message),
        )
        if message.html:
            letter.attach_alternative(message.html, "text/html")
        accepted = self._hand_over(letter)
        status = getattr(letter, "anymail_status", None)
        mail_failures.check_recipient(status, address, accepted=accepted)
        # When it is too long, the end of the subject is cut off and not the id.
        return Receipt(_id_of(status) or own_id, f"{thread} {subject}"[:HANDLE] if thread else "")

    def _hand_over(self, letter: mail.EmailMultiAlternatives) -> bool:
        """Give the mail to the backend; whether its API has answered with a success, however odd that answer is."""
        connection = None
        opened = False
        answers: list[int] = []
        try:
            connection = self._connect()
            connection.open()  # here and not within send_messages: what fails before this has sent nothing
            opened = True
            if session := getattr(connection, "session", None):
                from notifier.channels.bounded import bound

                session.max_redirects = 0  # a redirect would carry Postmark's token elsewhere
                bound(session)
                session.hooks["response"].append(lambda answer, *_, **__: answers.append(answer.status_code))
            elif _is_ses(connection):
                from notifier.channels import ses

                ses.bound_answers(connection.client)
            taken = connection.send_messages([letter])
        except Exception as error:
            if known := mail_failures.of(error, opened=opened, accepted=_took_it(answers)):
                raise known from error
            raise
        finally:
            if connection is not None:
                with suppress(Exception):  # the message has its outcome, however the connection ends
                    connection.close()
        if taken == 0:
            raise DeliveryError(Result.REJECTED, "cancelled", "the mail backend sent nothing and said nothing")
        return _took_it(answers)

    def _connect(self) -> Any:
        """A connection with our timeout; Django's default is to wait for ever."""
        if django.VERSION >= (6, 1) and hasattr(settings, "MAILERS"):
            connection: Any = mail.mailers[self.option("using", "default")]
        else:
            connection = mail.get_connection(self.option("backend"))
        if hasattr(connection, "timeout"):
            connection.timeout = self.timeout
        if _is_ses(connection):
            from notifier.channels import ses

            ses.bound(connection.client_params, self.timeout)
        elif hasattr(connection, "connection_class"):  # Django's SMTP, or what stands on it
            bounded_smtp.bound(connection)
        return connection

    def _message_id(self, message: Message) -> str:
        """The same for the same message, so that a repeat is shown once: RFC 5322, 3.6.4."""
        if not message.reference:
            return ""
        _, sender = parseaddr(self.option("from_email"))
        domain = punycode(sender.rpartition("@")[2] if "@" in sender else "localhost")
        return f"<{re.sub(r'[^A-Za-z0-9.-]', '-', message.reference)}@{domain}>"


def _is_ses(connection: Any) -> bool:
    return getattr(connection, "esp_name", "") == "Amazon SES"


def _headers(own_id: str, thread: str) -> dict[str, str]:
    headers = {"Auto-Submitted": "auto-generated"}  # RFC 3834: no out-of-office answers
    if own_id:
        headers["Message-ID"] = own_id
    if thread != own_id:
        headers |= {"In-Reply-To": one_line(thread), "References": one_line(thread)}
    return headers


def _links(message: Message) -> str:
    """The links that let whoever has them answer or unsubscribe; they are in no text that is stored."""
    links = ((ANSWER, message.answer_url), ("No more digests", message.unsubscribe_url))
    return "".join(f"\n{words}: {url}\n" for words, url in links if url)


def _unsubscribe(message: Message) -> dict[str, str]:
    """Headers for unsubscribing by one click: RFC 8058."""
    if not message.unsubscribe_url:
        return {}
    return {"List-Unsubscribe": f"<{message.unsubscribe_url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _id_of(status: Any) -> str:
    """The provider's id of the message. Anymail gives a set of ids when the answer has several recipients."""
    given = getattr(status, "message_id", "")
    ids = [storable(one, PROVIDER_ID) for one in (given if isinstance(given, set) else [given])]
    return max(ids, default="")


def _took_it(answers: list[int]) -> bool:
    return any(200 <= status < 300 for status in answers)
