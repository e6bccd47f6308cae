"""What an exception of a mail backend means for a message."""

from __future__ import annotations

import re
import smtplib
import traceback
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from notifier.channels import failures
from notifier.facts import DeliveryError, Result

# The mailbox does not exist or takes nothing from us: RFC 5321, 4.2.3.
DEAD_MAILBOX = frozenset({550, 551, 553})
# What an enhanced code says more exactly: a mailbox that is full, a system that is not, a policy that dislikes this
# message. https://www.iana.org/assignments/smtp-enhanced-status-codes
OF_THE_MESSAGE = re.compile(r"^5\.(2\.[234]|3|4|6|7)\b")
OF_THE_ACCOUNT = re.compile(r"^5\.4\.5\b")  # Gmail: the account has sent what it may send in a day
# Names and numbers that providers give in answers whose status says less: no credit, no quota, no permission to send.
# https://postmarkapp.com/developer/api/overview#error-codes, https://resend.com/docs/api-reference/errors,
# https://developers.brevo.com/docs/how-it-works#error-codes
OF_THE_ACCOUNT_BY_NAME = frozenset(
    {
        *("405", "412", "413"),  # Postmark's ErrorCode
        *("daily_quota_exceeded", "monthly_quota_exceeded"),  # Resend's name
        *("not_enough_credits", "account_under_validation"),  # Brevo's code
    }
)
NOT_TAKEN = frozenset({"invalid", "rejected", "failed"})  # of Anymail's statuses
TAKEN = frozenset({"sent", "queued"})
RETRY, REJECTED, UNCERTAIN = Result.RETRY, Result.REJECTED, Result.UNCERTAIN


def of(error: Exception, *, opened: bool, accepted: bool = False) -> DeliveryError | None:
    """The DeliveryError for an exception of a mail backend; None when it is not of a kind that those raise.

    `opened`: the connection was made; before that nothing can have been sent. `accepted`: the provider's API had
    answered with a success, so the exception is about its answer and not about the message.
    """
    if accepted and not _all_refused(error):
        return DeliveryError(UNCERTAIN, "unreadable_answer", "the provider's answer cannot be understood")
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


def check_recipient(status: Any, address: str, *, accepted: bool) -> None:
    """Raise DeliveryError when the answer refuses the recipient, for the cases in which Anymail itself raises nothing.

    The answer may be about other addresses than the one that we wrote to: that alone decides nothing.
    """
    said = {str(name).lower(): one.status for name, one in getattr(status, "recipients", {}).items()}
    ours = said.pop(address.lower(), None)
    if ours in NOT_TAKEN:
        raise DeliveryError(
            REJECTED, str(ours), "the provider does not send to this address", target_dead=ours != "failed"
        )
    if ours not in TAKEN and not TAKEN & set(said.values()) and NOT_TAKEN & set(said.values()):
        words = "the provider's answer names another recipient"
        raise DeliveryError(UNCERTAIN if accepted else REJECTED, "another_recipient", words)


def _all_refused(error: Exception) -> bool:
    return type(error).__name__ == "AnymailRecipientsRefused"


def _is_from(package: str, error: BaseException | None) -> bool:
    return type(error).__module__.startswith(f"{package}.")


def _smtp(error: smtplib.SMTPException) -> DeliveryError:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, words = next(iter(error.recipients.values()))
        return _by_code(code, _text(words), mailbox=True)
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return _by_code(error.smtp_code, "the mail server does not accept the credentials", account=True)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryError(REJECTED, "not_supported", str(error), channel_dead=True)
    if isinstance(error, smtplib.SMTPResponseException) and 400 <= error.smtp_code < 600 and not _garbled(error):
        return _by_code(error.smtp_code, _text(error.smtp_error), account=error.smtp_code == 530)
    # The connection broke, or the answer is not SMTP: what counts is whether the text was being sent.
    result = UNCERTAIN if _text_was_going_out(error) else RETRY
    if isinstance(error, smtplib.SMTPResponseException):
        return DeliveryError(result, "unreadable_answer", "the answer is not from a mail server")
    return DeliveryError(result, "timeout" if failures.name_of(error) == "timeout" else "connection_lost", str(error))


def _by_code(code: int, words: str, *, mailbox: bool = False, account: bool = False) -> DeliveryError:
    """RFC 5321, 4.2.1: 4yz may be tried again, 5yz may not. `mailbox`: it was said of the recipient."""
    if not 500 <= code < 600:
        return DeliveryError(RETRY, f"smtp_{code}", words)
    return DeliveryError(
        REJECTED,
        f"smtp_{code}",
        words,
        target_dead=mailbox and code in DEAD_MAILBOX and not OF_THE_MESSAGE.match(words),
        channel_dead=account or bool(OF_THE_ACCOUNT.match(words)),
    )


def _garbled(error: smtplib.SMTPResponseException) -> bool:
    return type(error) is smtplib.SMTPResponseException  # smtplib raises it, as a 500, for a line that is too long


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
            return _refused(error.status_code, error.response)
        if isinstance(error.__cause__, RequestException):
            return failures.of_requests(error.__cause__)
        if _is_from("botocore", error.__cause__) and (known := of(error.__cause__, opened=True)):
            return known
        return DeliveryError(UNCERTAIN, "unreadable_answer", "the answer is not the provider's")
    # An address, a feature or a value that cannot be put into the request, which was never sent.
    return DeliveryError(REJECTED, type(error).__name__, str(error))


def _refused(status: int, response: Any) -> DeliveryError:
    try:
        answer = response.json()
    except ValueError:
        return failures.by_status(status, response.headers, "the answer is not JSON")
    fields = answer if isinstance(answer, dict) else {}
    # The sentence in the answer: Postmark calls it Message, Mailgun and Resend message.
    said = str(fields.get("Message") or fields.get("message") or fields.get("error") or "the provider refused it")
    names = {str(fields.get(field)) for field in ("ErrorCode", "name", "code")} & OF_THE_ACCOUNT_BY_NAME
    if 400 <= status < 500 and names:
        return DeliveryError(REJECTED, f"http_{status}", said, channel_dead=True)
    return failures.by_status(status, response.headers, said)
