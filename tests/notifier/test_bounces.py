"""Soft bounces and hard ones, as each provider tells them in its own event."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.judge.bounces import KINDS, is_soft


@pytest.mark.parametrize(
    ("provider", "event", "words", "soft"),
    [
        ("Amazon SES", {"bounce": {"bounceType": "Transient", "bounceSubType": "MailboxFull"}}, None, True),
        ("Amazon SES", {"bounce": {"bounceType": "Transient", "bounceSubType": "General"}}, "550 5.1.1", True),
        ("Amazon SES", {"bounce": {"bounceType": "Undetermined"}}, None, True),
        ("Amazon SES", {"bounce": {"bounceType": "Permanent"}}, "smtp; 550 5.1.1 user unknown", False),
        ("Postmark", {"Type": "SoftBounce"}, None, True),
        ("Postmark", {"Type": "HardBounce"}, None, False),
        ("Brevo", {"event": "soft_bounce"}, None, True),
        ("Brevo", {"event": "hard_bounce"}, None, False),
        ("Mandrill", {"event": "soft_bounce"}, None, True),
        ("Mandrill", {"event": "hard_bounce"}, None, False),
        ("MailerSend", {"data": {"type": "soft_bounced"}}, None, True),
        ("MailerSend", {"data": {"type": "hard_bounced"}}, None, False),
        ("Mailjet", {"hard_bounce": False}, None, True),
        ("Mailjet", {"hard_bounce": True}, None, False),
        ("Resend", {"data": {"bounce": {"type": "Transient"}}}, None, True),
        ("Resend", {"data": {"bounce": {"type": "Permanent"}}}, None, False),
        ("SparkPost", {"msys": {"message_event": {"bounce_class": "22"}}}, None, True),
        ("SparkPost", {"msys": {"message_event": {"bounce_class": "10"}}}, None, False),
        # said by nobody but the mail server
        ("Mailgun", {}, "452 4.2.2 The email account that you tried to reach is over quota", True),
        ("Mailgun", {}, "552 5.2.2 mailbox is over its limit", True),
        ("Mailgun", {}, "550 5.7.1 looks like spam", True),
        ("Mailgun", {}, "550 Mailbox full", True),
        ("Mailgun", {}, "550 5.1.1 no such user at 10.4.2.2", False),
        ("Postal", {}, "user unknown", False),
        ("Nobody", None, None, False),
    ],
)
def test_the_provider_says_whether_the_address_is_fine(provider: str, event: Any, words: Any, *, soft: bool) -> None:
    assert is_soft(provider, event, words) is soft


names = st.sampled_from(["bounce", "bounceType", "data", "type", "msys", "Type", "event", "hard_bounce"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner),
    max_leaves=8,
)


@given(st.sampled_from([*KINDS, "Nobody"]), json_values, json_values)
def test_no_event_raises(provider: str, event: Any, words: Any) -> None:
    assert is_soft(provider, event, words) in (True, False)
