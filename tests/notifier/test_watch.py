from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts_runtime.stripe_data.signature import verify
from notifier.facts import Category, Severity
from notifier.judge.policy import Watch
from notifier.judge.watch import Finding, Missing, Seen, findings
from webhooks.events import parse
from webhooks.exceptions import Refused

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NOTHING = Seen(refused={}, stored={}, missing={}, last_of_type={}, first_ever=None, oldest_waiting=None, waiting=0)
WATCH = Watch()  # a fifth of the requests, and at least five of them


def refused(reason: str, count: int, stored: int = 0) -> Seen:
    return replace(NOTHING, refused={("default", reason): count}, stored={"default": stored} if stored else {})


def stopped(seen: Seen, expected: float = 50, silence: timedelta = 40 * MINUTE) -> Seen:
    """The endpoint had events before, and should have had so many since."""
    return replace(seen, missing={"default": Missing(NOW - silence, expected)})


def one(found: tuple[Finding, ...]) -> Finding:
    assert len(found) == 1
    return found[0]


def test_all_quiet_is_no_finding() -> None:
    assert findings(NOTHING, WATCH, NOW) == ()


# --- refused requests


@pytest.mark.parametrize(
    ("count", "stored", "found"),
    [
        pytest.param(4, 0, False, id="too few to mean anything"),
        pytest.param(5, 0, True, id="just enough, and nothing valid"),
        pytest.param(5, 20, True, id="exactly a fifth"),
        pytest.param(5, 21, False, id="less than a fifth"),
        pytest.param(500, 21_000, False, id="many, but a small share"),
        pytest.param(4, 1, False, id="a large share of few"),
    ],
)
def test_a_share_of_refusals_is_a_finding_when_there_are_enough(count: int, stored: int, found: bool) -> None:
    assert bool(findings(refused("no_match", count, stored), WATCH, NOW)) is found


def test_the_share_is_of_all_requests_to_the_endpoint() -> None:
    """Other refusals are requests too; other endpoints' are not."""
    counted = {("default", "no_match"): 5, ("default", "rejected"): 20, ("connect", "missing"): 4}
    seen = replace(NOTHING, refused=counted, stored={"connect": 1000})
    assert one(findings(seen, WATCH, NOW)).title.endswith("(5 of 25 requests in 15 min)")
    counted[("default", "rejected")] += 1
    assert findings(seen, WATCH, NOW) == ()


def test_the_limits_are_the_sites() -> None:
    seen = refused("no_match", 3, 7)
    assert findings(seen, Watch(refused_least=3, refused_share=0.3), NOW)
    assert not findings(seen, Watch(refused_least=4, refused_share=0.3), NOW)
    assert not findings(seen, Watch(refused_least=3, refused_share=0.31), NOW)


def test_a_finding_says_what_where_how_much_and_what_to_do() -> None:
    assert one(findings(refused("no_match", 30, 20), WATCH, NOW)) == Finding(
        key="watch.refused.default.no_match",
        severity=Severity.WARNING,
        category=Category.SIGNATURE,
        title="Endpoint default: signatures do not match (30 of 50 requests in 15 min)",
        hint="Compare the signing secret in the Stripe dashboard with the endpoint's; it may have been rolled.",
    )


def test_each_endpoint_and_each_reason_is_a_finding_of_its_own() -> None:
    counted = {("b", "no_match"): 9, ("a", "too_old"): 9, ("a", "no_match"): 9}
    found = findings(replace(NOTHING, refused=counted), WATCH, NOW)
    assert [finding.key for finding in found] == [
        "watch.refused.a.no_match",
        "watch.refused.a.too_old",
        "watch.refused.b.no_match",
    ]


@pytest.mark.parametrize("reason", ["no_match", "missing", "malformed", "bad_encoding", "no_secret"])
def test_what_a_stranger_can_cause_pages_only_when_valid_events_have_stopped(reason: str) -> None:
    knocks = refused(reason, 12)
    mild = Severity.ERROR if reason == "no_secret" else Severity.WARNING
    assert one(findings(knocks, WATCH, NOW)).severity is mild, "a site without traffic"
    assert one(findings(stopped(knocks, expected=4.9), WATCH, NOW)).severity is mild, "a silence as it often has"
    assert one(findings(stopped(knocks, expected=5), WATCH, NOW)).severity is Severity.CRITICAL
    assert one(findings(stopped(refused(reason, 12, 3)), WATCH, NOW)).severity is mild, "valid ones come as well"


def test_a_stop_says_since_when_nothing_valid_comes() -> None:
    found = one(findings(stopped(refused("no_match", 12)), WATCH, NOW))
    assert found.title.endswith("(12 of 12 requests in 15 min; nothing valid for 40 min)")


SECRET = "whsec_test_current"
BODY = b'{"id": "evt_1"}'


def signed(body: bytes = BODY, *, age: int = 0, secret: str = SECRET) -> str:
    time = int(NOW.timestamp()) - age
    digest = hmac.new(secret.encode(), f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={time},v1={digest}"


def reason_of(body: bytes, header: str, *secrets: str) -> str:
    """What the receiving side calls it."""
    try:
        verify(body, header, secrets, 300, NOW)
        parse(body, "default")
    except Refused as error:
        return error.reason
    return ""


# What arrives -> whether it means that Stripe's own events are lost, or only that somebody knocks.
@pytest.mark.parametrize(
    ("reason", "severity", "category"),
    [
        pytest.param(reason_of(BODY, signed()), Severity.ERROR, Category.CONFIGURATION, id="no secret is set"),
        pytest.param(
            reason_of(BODY, signed(secret="whsec_rolled"), SECRET),
            Severity.WARNING,
            Category.SIGNATURE,
            id="signed with another secret",
        ),
        pytest.param(reason_of(BODY, signed(age=301), SECRET), Severity.CRITICAL, Category.SIGNATURE, id="too old"),
        pytest.param(
            reason_of(BODY, signed(age=-301), SECRET), Severity.CRITICAL, Category.SIGNATURE, id="in the future"
        ),
        pytest.param(reason_of(BODY, signed(), SECRET), Severity.CRITICAL, Category.SIGNATURE, id="signed, no event"),
        pytest.param(reason_of(BODY, "", SECRET), Severity.WARNING, Category.SIGNATURE, id="no signature"),
        pytest.param(reason_of(BODY, "Bearer x", SECRET), Severity.WARNING, Category.SIGNATURE, id="another scheme"),
        pytest.param(reason_of(b"\xff", signed(), SECRET), Severity.WARNING, Category.SIGNATURE, id="not UTF-8"),
    ],
)
def test_every_reason_that_verifying_gives_means_something(reason: str, severity: Severity, category: Category) -> None:
    found = one(findings(refused(reason, 9), WATCH, NOW))
    assert (found.key, found.severity, found.category) == (f"watch.refused.default.{reason}", severity, category)
    with_valid_ones = one(findings(refused(reason, 9, 9), WATCH, NOW)).severity
    assert with_valid_ones is min(severity, Severity.ERROR)


@pytest.mark.parametrize("reason", ["rejected", "other_mode", "other_version"])
def test_what_the_site_itself_asked_for_is_no_finding(reason: str) -> None:
    assert findings(refused(reason, 1000), WATCH, NOW) == ()


@pytest.mark.parametrize(
    ("reason", "category"),
    [
        ("disallowed_host", Category.CONFIGURATION),
        ("redirected", Category.CONFIGURATION),
        ("wrong_path", Category.CONFIGURATION),
        ("answered_before", Category.CONFIGURATION),
        ("unknown_endpoint", Category.CONFIGURATION),
        ("too_large", Category.SIGNATURE),
        ("unreadable", Category.SIGNATURE),
        ("empty_body", Category.SIGNATURE),
    ],
)
def test_what_is_refused_before_it_is_read_is_a_finding_that_wakes_nobody(reason: str, category: Category) -> None:
    found = one(findings(refused(reason, 9), WATCH, NOW))
    assert (found.severity, found.category) == (Severity.WARNING, category)


# --- events that stay away

EXPECTING = Watch(expect={"invoice.paid": 6 * HOUR})


@pytest.mark.parametrize(
    ("last", "first_ever", "silence"),
    [
        pytest.param(timedelta(0), 900 * HOUR, None, id="one just came"),
        pytest.param(6 * HOUR, 900 * HOUR, None, id="as long as is allowed"),
        pytest.param(6 * HOUR + MINUTE, 900 * HOUR, "6 h 1 min", id="a minute longer"),
        pytest.param(72 * HOUR, 900 * HOUR, "3 days", id="for days"),
        # Never seen: counted from the first event of any type, so that a new site has its time.
        pytest.param(None, 5 * HOUR, None, id="never, on a new site"),
        pytest.param(None, 7 * HOUR, "7 h", id="never, on a site that had its time"),
        pytest.param(None, None, None, id="no event of any type yet"),
    ],
)
def test_an_expected_event_stays_away(
    last: timedelta | None, first_ever: timedelta | None, silence: str | None
) -> None:
    seen = replace(
        NOTHING,
        last_of_type={"invoice.paid": None if last is None else NOW - last},
        first_ever=None if first_ever is None else NOW - first_ever,
    )
    expected = Finding(
        key="watch.absent.invoice.paid",
        severity=Severity.ERROR,
        category=Category.CONFIGURATION,
        title=f"No invoice.paid for {silence} (at least one every 6 h is expected)",
        hint="See in the Stripe dashboard whether the endpoint is enabled and subscribed to this type.",
    )
    assert findings(seen, EXPECTING, NOW) == ((expected,) if silence else ())


@pytest.mark.parametrize(
    "last_of_type", [{}, {"charge.refunded": NOW}], ids=["nothing was looked up", "another type came"]
)
def test_a_type_that_was_never_seen_stays_away_too(last_of_type: Mapping[str, datetime]) -> None:
    seen = replace(NOTHING, last_of_type=last_of_type, first_ever=NOW - 7 * HOUR)
    assert one(findings(seen, EXPECTING, NOW)).key == "watch.absent.invoice.paid"


def test_types_that_nobody_expects_may_stay_away() -> None:
    seen = replace(NOTHING, last_of_type={"charge.refunded": NOW - 900 * HOUR}, first_ever=NOW - 900 * HOUR)
    assert findings(seen, WATCH, NOW) == ()


# --- a backlog


@pytest.mark.parametrize(
    ("age", "waiting", "title"),
    [
        (None, 0, None),
        (timedelta(0), 900, None),
        (10 * MINUTE, 900, None),  # as long as is allowed
        (11 * MINUTE, 1, "1 event waits for a worker, the oldest for 11 min"),
        (2 * HOUR, 1200, "1,200 events wait for a worker, the oldest for 2 h"),
    ],
)
def test_a_backlog_is_critical_when_its_oldest_event_waits_too_long(
    age: timedelta | None, waiting: int, title: str | None
) -> None:
    found = findings(replace(NOTHING, oldest_waiting=None if age is None else NOW - age, waiting=waiting), WATCH, NOW)
    if title is None:
        assert found == ()
    else:
        backlog = one(found)
        assert (backlog.key, backlog.severity, backlog.category) == (
            "watch.backlog",
            Severity.CRITICAL,
            Category.WORKER,
        )
        assert backlog.title == title


def test_everything_that_is_wrong_is_found_at_once() -> None:
    seen = Seen(
        refused={("default", "no_match"): 9},
        stored={},
        missing={},
        last_of_type={"invoice.paid": NOW - 9 * HOUR},
        first_ever=NOW - 900 * HOUR,
        oldest_waiting=NOW - HOUR,
        waiting=3,
    )
    found = findings(seen, EXPECTING, NOW)
    assert [finding.key.split(".")[1] for finding in found] == ["refused", "absent", "backlog"]
    assert all(finding.hint for finding in found)
