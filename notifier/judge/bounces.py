"""Whether a bounce is soft: the address is right and a later mail may arrive. Anymail does not say that. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Where each provider says it, and the words for a soft one:
# https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-object
# https://postmarkapp.com/developer/api/bounce-api#bounce-types, https://developers.brevo.com/docs/transactional-webhooks
# https://mailchimp.com/developer/transactional/docs/webhooks, https://developers.mailersend.com/api/v1/webhooks.html
# https://dev.mailjet.com/email/guides/webhooks, https://resend.com/docs/webhooks/emails/bounced
# https://support.sparkpost.com/docs/deliverability/bounce-classification-codes
KINDS: Mapping[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "Amazon SES": (("bounce", "bounceType"), frozenset({"Transient", "Undetermined"})),
    "Postmark": (("Type",), frozenset({"SoftBounce", "Transient", "DnsError", "Unknown"})),
    "Brevo": (("event",), frozenset({"soft_bounce"})),
    "SendinBlue": (("event",), frozenset({"soft_bounce"})),
    "Mandrill": (("event",), frozenset({"soft_bounce"})),
    "MailerSend": (("data", "type"), frozenset({"soft_bounced"})),
    "Mailjet": (("hard_bounce",), frozenset({"False", "false", "0"})),
    "Resend": (("data", "bounce", "type"), frozenset({"Transient", "Undetermined"})),
    "SparkPost": (
        ("msys", "*", "bounce_class"),
        frozenset({"1", "20", "21", "22", "23", "24", "25", "40", "50", "51", "52", "53", "54", "70"}),
    ),
}
# Where the kind is not said, the mail server's words may: 4.x.x is for now, 5.2.2 a full mailbox, 5.3 and 5.4 a system,
# 5.6 and 5.7 this message. https://www.iana.org/assignments/smtp-enhanced-status-codes
_FOR_NOW = re.compile(r"(?<![\d.])(?:4\.\d{1,3}\.\d{1,3}|5\.2\.[23]|5\.[3467]\.\d{1,3})(?!\.?\d)")
_FULL = re.compile(r"(mailbox|inbox|quota)[^.]{0,40}(full|exceeded)", re.IGNORECASE)


def is_soft(provider: str, event: object, words: object) -> bool:
    """Whether a bounce is soft, by the provider's own event, or else by the mail server's `words`.

    `provider` is Anymail's name of it.
    """
    path, soft = KINDS.get(provider, ((), frozenset()))
    kind = _at(event, path) if path else None
    if kind is not None:
        return kind in soft
    text = words[:2000] if isinstance(words, str) else ""
    return bool(_FOR_NOW.search(text) or _FULL.search(text))


def _at(value: object, path: tuple[str, ...]) -> str | None:
    """The value at this path, as text; None when there is none. `*` stands for any one name."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = next(iter(value.values()), None) if name == "*" else value.get(name)
    return str(value) if isinstance(value, str | int) else None
