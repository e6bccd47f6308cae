"""What providers report later: which words count, and that only a step forward does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.facts import Result
from notifier.judge.delivery_status import NOT_SENT, forward, report_of

TWILIO = ("accepted", "scheduled", "queued", "sending", "sent", "delivered", "undelivered", "failed", "canceled")
EMAIL = ("queued", "sent", "deferred", "delivered", "rejected", "failed", "bounced", "complained", "unsubscribed")


@pytest.mark.parametrize(
    ("status", "code", "result", "dead"),
    [
        # another try may get through
        ("undelivered", "30001", Result.RETRY, False),
        ("undelivered", "30003", Result.RETRY, False),
        ("undelivered", "30008", Result.RETRY, False),
        ("failed", "30008", Result.RETRY, False),
        ("failed", "", Result.RETRY, False),
        # never, and nothing else will either
        ("undelivered", "30002", Result.REJECTED, True),
        ("undelivered", "30005", Result.REJECTED, True),
        ("undelivered", "30006", Result.REJECTED, True),
        ("undelivered", "30034", Result.REJECTED, True),
        ("failed", "21610", Result.REJECTED, True),
        # not this message
        ("undelivered", "30004", Result.REJECTED, False),
        ("undelivered", "30007", Result.REJECTED, False),
        ("undelivered", "39999", Result.REJECTED, False),
        # emails: a mail server has tried for days
        ("bounced", "bounced", Result.REJECTED, True),
        ("bounced", "invalid", Result.REJECTED, True),
        ("bounced", "timed_out", Result.REJECTED, False),
        ("bounced", "", Result.REJECTED, False),
        ("rejected", "blocked", Result.REJECTED, False),
        ("rejected", "unsubscribed", Result.REJECTED, True),
        ("failed", "other", Result.REJECTED, False),
        # arrived, and the next one will not
        ("complained", "spam", Result.REJECTED, True),
        ("complained", "", Result.REJECTED, True),
        ("unsubscribed", "", Result.REJECTED, True),
    ],
)
def test_what_did_not_arrive_has_its_outcome(status: str, code: str, result: Result, dead: bool) -> None:
    report = report_of(status, code)

    assert report is not None
    assert report.error is not None
    assert (report.error.result, report.error.target_dead) == (result, dead)
    assert report.not_sent is (status in NOT_SENT)
    assert report.error.code
    assert report.error.detail


@pytest.mark.parametrize("status", ["queued", "accepted", "scheduled", "sending", "deferred", "sent", "delivered"])
def test_what_is_on_its_way_or_arrived_is_no_error(status: str) -> None:
    report = report_of(status, "30008")
    assert report is not None
    assert report.error is None
    assert not report.not_sent


@pytest.mark.parametrize("status", ["opened", "clicked", "read", "receiving", "", "DELIVERED", "\x00"])
def test_what_says_nothing_of_delivery_is_nothing(status: str) -> None:
    assert report_of(status) is None
    assert forward("", status) is None


@pytest.mark.parametrize(
    ("current", "incoming", "new"),
    [
        ("", "queued", "queued"),
        ("queued", "sent", "sent"),
        ("", "undelivered", "undelivered"),  # the first word may be the last
        ("sent", "undelivered", "undelivered"),
        # late
        ("sent", "queued", None),
        ("delivered", "sending", None),
        ("undelivered", "sent", None),
        # repeated
        ("sent", "sent", None),
        ("undelivered", "undelivered", None),
        # an SMS's last word is its last
        ("delivered", "undelivered", None),
        ("undelivered", "delivered", None),
        ("failed", "delivered", None),
        # an email's is not
        ("delivered", "bounced", "bounced"),
        ("deferred", "delivered", "delivered"),
        ("delivered", "complained", "complained"),
        ("bounced", "delivered", None),
    ],
)
def test_only_a_step_forward_counts(current: str, incoming: str, new: str | None) -> None:
    assert forward(current, incoming) == new


@settings(max_examples=50)
@given(st.permutations(TWILIO), st.lists(st.sampled_from(TWILIO)))
def test_an_sms_ends_as_it_would_have_in_order_and_repeats_change_nothing(order: list[str], more: list[str]) -> None:
    current = ""
    for incoming in order:
        current = forward(current, incoming) or current
    last = current
    for incoming in more:
        current = forward(current, incoming) or current
    assert current == last
    assert last in {"delivered", "undelivered", "failed", "canceled"}


@settings(max_examples=50)
@given(st.lists(st.sampled_from(EMAIL), min_size=1))
def test_no_order_of_an_emails_reports_goes_round_in_circles(order: list[str]) -> None:
    current, seen = "", [""]
    for incoming in order * 2:
        if new := forward(current, incoming):
            current = new
            assert new not in seen
            seen.append(new)
