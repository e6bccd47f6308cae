"""What an exception of a mail backend means for a message."""

from __future__ import annotations

import smtplib
import traceback
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from notifier.channels import failures
from notifier.facts import DeliveryError, Result

# The mailbox does not exist or takes nothing from us: RFC 5321, 4.2.3.
DEAD_MAILBOX = frozenset({550, 551, 553})
RETRY, REJECTED, UNCERTAIN = Result.RETRY, Result.REJECTED, Result.UNCERTAIN


def of(error: Exception, *, opened: bool) -> DeliveryError | None:
    """The error in our terms, or None if it is not of a kind that a mail backend raises.

    `opened` says that the connection stood; before that nothing can have been sent.
    """
    if isinstance(error, smtplib.SMTPException):
        return _smtp(error)
    if _is_from("botocore", error):
        from notifier.channels import ses

        return ses.of(error)
    if _is_from("anymail", error) or hasattr(error, "esp_name"):
        return _anymail(error)
    if isinstance(error, ImproperlyConfigured | ImportError):
        return DeliveryError(REJECTED, "invalid_configuration", "the mail backend is not set up", channel_dead=True)
    if isinstance(error, OSError):
        return failures.broken(error, written=opened)
    if isinstance(error, UnicodeDecodeError):  # what is decoded has been received
        return DeliveryError(UNCERTAIN, "unreadable_answer", "the answer is not the provider's")
    if isinstance(error, ValueError) and not opened:
        return failures.unusable("a setting of the mail backend")
    if isinstance(error, ValueError):
        return DeliveryError(REJECTED, "invalid_message", "the address or a header cannot be sent", target_dead=False)
    return None


def _is_from(package: str, error: BaseException | None) -> bool:
    return type(error).__module__.startswith(f"{package}.")


def _smtp(error: smtplib.SMTPException) -> DeliveryError:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()))
        return _by_code(code, _text(words), target_dead=code in DEAD_MAILBOX)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return _by_code(error.smtp_code, "the mail server does not accept the credentials", channel_dead=True)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryError(REJECTED, "not_supported", str(error), channel_dead=True)
    if isinstance(error, smtplib.SMTPResponseException) and 400 <= error.smtp_code < 600 and not _garbled(error):
        return _by_code(error.smtp_code, _text(error.smtp_error), channel_dead=error.smtp_code == 530)
    # What is left is a connection that broke or an answer that is none: what matters is how far we had come.
    result = UNCERTAIN if _text_was_going_out(error) else RETRY
    if isinstance(error, smtplib.SMTPResponseException):
        return DeliveryError(result, "unreadable_answer", "the answer is not from a mail server")
    return DeliveryError(result, "timeout" if failures.name_of(error) == "timeout" else "connection_lost", str(error))


def _by_code(code: int, words: str, *, target_dead: bool = False, channel_dead: bool = False) -> DeliveryError:
    """RFC 5321, 4.2.1: 4yz may be tried again, 5yz may not."""
    if 500 <= code < 600:
        return DeliveryError(REJECTED, f"smtp_{code}", words, target_dead=target_dead, channel_dead=channel_dead)
    return DeliveryError(RETRY, f"smtp_{code}", words)


def _garbled(error: smtplib.SMTPResponseException) -> bool:
    return type(error) is smtplib.SMTPResponseException  # smtplib makes up a 500 for a line that is too long


def _text_was_going_out(error: BaseException) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return isinstance(error, smtplib.SMTPDataError) or any(
        frame.f_code is smtplib.SMTP.data.__code__ for frame, _ in frames
    )


def _text(words: bytes | str) -> str:
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else words


def _anymail(error: Any) -> DeliveryError:
    """Anymail's exceptions: https://anymail.dev/en/stable/sending/exceptions/"""
    from anymail import exceptions
    from requests import RequestException

    if isinstance(error, exceptions.AnymailRecipientsRefused):
        return DeliveryError(REJECTED, "rejected", "the provider does not send to this address", target_dead=True)
    if isinstance(error, exceptions.AnymailConfigurationError):
        return DeliveryError(REJECTED, "invalid_configuration", "the mail backend is not set up", channel_dead=True)
    if isinstance(error, exceptions.AnymailAPIError):
        if error.status_code is not None:
            return failures.by_status(error.status_code, error.response.headers, _said(error.response))
        if isinstance(error.__cause__, RequestException):
            return failures.of_requests(error.__cause__)
        if _is_from("botocore", error.__cause__) and (known := of(error.__cause__, opened=True)):
            return known
        return DeliveryError(UNCERTAIN, "unreadable_answer", "the answer is not the provider's")
    if _answered(error):
        return DeliveryError(UNCERTAIN, "unreadable_answer", "the provider's answer names what nobody asked for")
    # An address, a feature or a value that cannot be put into the request, which was never sent.
    return DeliveryError(REJECTED, type(error).__name__, str(error))


def _answered(error: BaseException) -> bool:
    """Whether Anymail was reading the provider's answer: the message has been sent by then."""
    return any(frame.f_code.co_name == "parse_recipient_status" for frame, _ in traceback.walk_tb(error.__traceback__))


def _said(response: Any) -> str:
    """The sentence in the provider's answer: Postmark calls it Message, Mailgun and Resend message."""
    try:
        answer = response.json()
    except ValueError:
        return "the answer is not JSON"
    fields = answer if isinstance(answer, dict) else {}
    return str(fields.get("Message") or fields.get("message") or fields.get("error") or "the provider refused it")
