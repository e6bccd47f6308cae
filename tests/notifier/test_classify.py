from __future__ import annotations

import re
import smtplib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pydantic
import pytest
import requests
import stripe
import stripe.oauth_error
from django import db
from django.db import transaction
from django.db.models import ProtectedError

from alerts_runtime.failures.kinds import KINDS, Kind
from notifier.facts import INFRASTRUCTURE, Category, Failure, Frame, Money, Severity, Verdict
from notifier.intake import by_class
from notifier.judge import builtin
from notifier.judge.classify import classify, fingerprint, nearly_spent
from notifier.judge.match import Matcher, canonical
from notifier.judge.policy import Rule
from webhooks.exceptions import WorkerLost

Raised = type[BaseException] | tuple[str, ...]

FAILURE = Failure(
    key="webhooks.failure:1",
    occurred_at=datetime(2026, 11, 22, 14, 2, tzinfo=UTC),
    exceptions=("KeyError", "LookupError", "Exception"),
    message="'plan'",
    event_id="evt_1",
    event_type="invoice.paid",
    endpoint="default",
    livemode=True,
    attempt=1,
    max_attempts=20,
    will_retry=True,
    frame=Frame("billing/handlers.py", 84, "billing.handlers", "record_payment"),
    object_id="in_1",
    customer="cus_1",
    money=Money(125_000, "eur"),
    traceback="...",
)


def paths(raised: Raised) -> tuple[str, ...]:
    """As a failure holds them: the class, then its bases, up to Exception."""
    if isinstance(raised, tuple):
        return raised
    return tuple(canonical(f"{cls.__module__}.{cls.__qualname__}") for cls in raised.__mro__[:-2])


def verdict(failure: Failure, *rules: Rule) -> Verdict:
    found = classify(failure if failure.kind else by_class.judged(failure), rules)
    assert found is not None
    return found


# --- the built-in table
DATA, CODE, CONFIGURATION = Category.DATA, Category.CODE, Category.CONFIGURATION
PASSES, STAYS = True, False  # transient or not


BUILT_IN: dict[str, list[tuple[Raised, str, Category, bool]]] = {
    "an outage": [
        (db.OperationalError, "database-unavailable", Category.DATABASE, PASSES),
        (stripe.APIConnectionError, "stripe-connection", Category.STRIPE_API, PASSES),
        (requests.ReadTimeout, "network-timeout", Category.NETWORK, PASSES),
        (("httpx.ConnectError", "httpx.TransportError", "Exception"), "network", Category.NETWORK, PASSES),
    ],
    "contention": [
        (psycopg.errors.DeadlockDetected, "database-contention", Category.CODE, PASSES),
    ],
    "what stays": [
        (WorkerLost, "worker-lost", Category.WORKER, STAYS),
        (stripe.SignatureVerificationError, "stripe-signature", Category.SIGNATURE, STAYS),
        (stripe.AuthenticationError, "stripe-credentials", CONFIGURATION, STAYS),
        (stripe.PermissionError, "stripe-permission", Category.PERMISSION, STAYS),
        (stripe.oauth_error.InvalidRequestError, "stripe-other", DATA, STAYS),  # the short name of another
        (transaction.TransactionManagementError, "database-transaction", CODE, STAYS),
        (ProtectedError, "database-data", DATA, STAYS),
        (pydantic.ValidationError, "invalid-data", DATA, STAYS),
        (requests.HTTPError, "http-request", DATA, STAYS),
        (smtplib.SMTPDataError, "mail-refused", DATA, STAYS),
        (KeyError, "code", CODE, STAYS),
    ],
    "nothing known of it": [
        (subprocess.CalledProcessError, "unknown", Category.UNKNOWN, STAYS),
        (("billing.errors.Unpaid", "Exception"), "unknown", Category.UNKNOWN, STAYS),
        ((), "unknown", Category.UNKNOWN, STAYS),
    ],
}


@pytest.mark.parametrize("rows", BUILT_IN.values(), ids=BUILT_IN)
def test_an_exception_known_by_its_class_alone(rows: list[tuple[Raised, str, Category, bool]]) -> None:
    """In a dry run; every class is in tests/runtime/test_failures.py."""
    found = {paths(raised)[:1]: verdict(replace(FAILURE, exceptions=paths(raised))) for raised, *_ in rows}
    assert {path: (one.rule, one.category, one.transient) for path, one in found.items()} == {
        paths(raised)[:1]: (f"built-in {rule}", category, transient) for raised, rule, category, transient in rows
    }


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_what_was_found_when_it_was_caught_counts(kind: Kind) -> None:
    found = verdict(replace(FAILURE, exceptions=("RuntimeError", "Exception"), kind=kind.name, transient=True))
    assert (found.rule, found.category, found.transient) == (f"built-in {kind.name}", kind.category, True)
    assert "{" not in found.title + found.hint


def test_a_kind_of_another_version_is_unknown_and_heals_as_that_version_says() -> None:
    found = verdict(replace(FAILURE, kind="of-tomorrow", transient=True))
    assert (found.rule, found.transient) == ("built-in unknown", True)


@pytest.mark.parametrize("words", builtin.WORDS.values(), ids=builtin.WORDS)
def test_no_hint_says_whether_it_is_tried_again(words: builtin.Words) -> None:
    """That changes while an alert is open, whose hint does not."""
    assert not re.search(r"retr|replay|lost|gave up", words.hint)
    assert len(words.title.format(exc="x" * 60, service="y" * 60)) < 200


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "network", "transient": True}, True),
        ({"kind": "network", "transient": True, "will_retry": False}, False),
        ({"kind": "code", "transient": False}, False),
        ({"kind": "code", "transient": True}, True),  # the site says that it heals
    ],
)
def test_the_hint_promises_a_retry_only_when_there_is_one(changes: dict[str, Any], said: bool) -> None:
    assert (builtin.RETRIED in verdict(replace(FAILURE, **changes)).hint) is said


def test_there_are_words_for_every_kind() -> None:
    assert set(builtin.WORDS) == set(KINDS)


def test_what_is_one_alert_for_all_events_heals_by_itself() -> None:
    """A fault that somebody has to mend must not hide in an alert about an outage."""
    assert {kind.name for kind in KINDS.values() if kind.category in INFRASTRUCTURE and not kind.transient} == set()


def stripe_errors(cls: type[stripe.StripeError] = stripe.StripeError) -> Iterator[type[stripe.StripeError]]:
    yield cls
    for subclass in cls.__subclasses__():
        yield from stripe_errors(subclass)


def test_every_error_of_stripe_is_known() -> None:
    errors = {cls for cls in stripe_errors() if cls.__module__.startswith("stripe.")}
    assert len(errors) > 25
    rules = {cls: verdict(replace(FAILURE, exceptions=paths(cls))).rule for cls in errors}
    assert {cls for cls, rule in rules.items() if not rule.startswith("built-in stripe-")} == set()


@pytest.mark.parametrize(
    ("exceptions", "title"),
    [
        (("stripe.CardError", "stripe.StripeError"), "Stripe refused the request (CardError)"),
        (("billing.models.Invoice.DoesNotExist",), "failed with DoesNotExist"),
        (("billing.errors._Unpaid",), "failed with _Unpaid"),
        ((), "failed with no exception"),
    ],
)
def test_the_title_names_the_class_in_short(exceptions: tuple[str, ...], title: str) -> None:
    assert verdict(replace(FAILURE, exceptions=exceptions)).title == title


# --- severity

LIVE_FIRST = replace(FAILURE, attempt=1, max_attempts=20)
LIVE_AGAIN = replace(FAILURE, attempt=2, max_attempts=20)
LIVE_NEARLY_SPENT = replace(FAILURE, attempt=19, max_attempts=20)
LIVE_DEAD = replace(FAILURE, attempt=1, max_attempts=1, will_retry=False)
TEST_FIRST = replace(LIVE_FIRST, livemode=False)
TEST_NEARLY_SPENT = replace(LIVE_NEARLY_SPENT, livemode=False)
TEST_DEAD = replace(LIVE_DEAD, livemode=False)
STAGES = (LIVE_FIRST, LIVE_AGAIN, LIVE_NEARLY_SPENT, LIVE_DEAD, TEST_FIRST, TEST_NEARLY_SPENT, TEST_DEAD)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        # live: first try, second, one left, none left; test mode: first, one left, none left
        (WorkerLost, "critical critical critical critical error error error"),
        (db.OperationalError, "warning critical critical critical warning warning error"),
        (stripe.APIConnectionError, "warning critical critical critical warning warning error"),
        (stripe.APIError, "warning critical critical critical warning warning error"),
        (psycopg.errors.DeadlockDetected, "warning error critical critical warning warning error"),
        (stripe.RateLimitError, "warning error critical critical warning warning error"),
        (requests.ReadTimeout, "warning error critical critical warning warning error"),
        (ConnectionRefusedError, "warning error critical critical warning warning error"),
        (stripe.AuthenticationError, "error error critical critical error error error"),
        (stripe.CardError, "error error critical critical error error error"),
        (db.IntegrityError, "error error critical critical error error error"),
        (PermissionError, "error error critical critical error error error"),
        (KeyError, "error error critical critical error error error"),
        (RuntimeError, "error error critical critical error error error"),
    ],
    ids=lambda value: paths(value)[0] if isinstance(value, type) else "",
)
def test_severity_by_mode_and_attempt(raised: type[BaseException], expected: str) -> None:
    found = [verdict(replace(stage, exceptions=paths(raised))).severity.label for stage in STAGES]
    assert " ".join(found) == expected


@pytest.mark.parametrize(
    ("attempt", "max_attempts", "expected"),
    [
        (18, 20, False),  # two more
        (19, 20, True),
        (20, 20, True),
        (2, 3, True),
        (1, 2, False),  # a first try has spent nothing yet
        (1, 1, False),
        (99, None, False),  # nobody knows how many there are
    ],
)
def test_nearly_spent(attempt: int, max_attempts: int | None, expected: bool) -> None:
    assert nearly_spent(replace(FAILURE, attempt=attempt, max_attempts=max_attempts)) is expected


# --- the site's rules

EVERYTHING = Matcher()
NOTHING = Matcher(events=("charge.refunded",))
TIMEOUT = replace(LIVE_AGAIN, exceptions=paths(requests.ReadTimeout))


def test_without_a_rule_that_matches_the_built_in_verdict_stands() -> None:
    assert classify(FAILURE, [Rule("a", NOTHING, ignore=True)]) == classify(FAILURE, [])


def test_the_first_rule_that_matches_counts_and_no_other() -> None:
    found = verdict(
        FAILURE,
        Rule("a", NOTHING, severity=Severity.INFO, hint="no"),
        Rule("b", EVERYTHING, severity=Severity.WARNING),
        Rule("c", EVERYTHING, severity=Severity.CRITICAL, title="no"),
    )
    assert (found.rule, found.severity) == ("b", Severity.WARNING)
    assert (found.title, found.hint) == (verdict(FAILURE).title, verdict(FAILURE).hint)


def test_ignore_ends_it_and_an_earlier_rule_comes_before_it() -> None:
    ignore, keep = Rule("ignore", EVERYTHING, ignore=True), Rule("keep", EVERYTHING)
    assert classify(FAILURE, [ignore, keep]) is None
    assert verdict(FAILURE, keep, ignore).rule == "keep"


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        pytest.param(Rule("r", EVERYTHING), {}, id="nothing"),
        pytest.param(Rule("r", EVERYTHING, severity=Severity.INFO), {"severity": Severity.INFO}, id="severity"),
        pytest.param(Rule("r", EVERYTHING, title="CRM is slow"), {"title": "CRM is slow"}, id="title"),
        pytest.param(Rule("r", EVERYTHING, hint="Ask the CRM's people."), {"hint": "Ask the CRM's people."}, id="hint"),
        # The severity follows from what the rule says, unless it says the severity too.
        pytest.param(
            Rule("r", EVERYTHING, transient=False), {"transient": False, "severity": Severity.ERROR}, id="transient"
        ),
        pytest.param(
            Rule("r", EVERYTHING, category=Category.STRIPE_API),
            {
                "category": Category.STRIPE_API,
                "severity": Severity.CRITICAL,
                "fingerprint": fingerprint(TIMEOUT, Category.STRIPE_API),
            },
            id="category",
        ),
        pytest.param(
            Rule("r", EVERYTHING, category=Category.CODE, transient=False, severity=Severity.WARNING),
            {
                "category": Category.CODE,
                "transient": False,
                "severity": Severity.WARNING,
                "fingerprint": fingerprint(TIMEOUT, Category.CODE),
            },
            id="several",
        ),
        pytest.param(
            Rule("r", EVERYTHING, fingerprint=("customer",)),
            {"fingerprint": fingerprint(TIMEOUT, Category.NETWORK, ("customer",))},
            id="fingerprint",
        ),
    ],
)
def test_a_rule_changes_what_it_names(rule: Rule, changed: dict[str, Any]) -> None:
    before = verdict(TIMEOUT)
    assert verdict(TIMEOUT, rule) == replace(before, rule="r", **changed)


@pytest.mark.parametrize(
    "matcher",
    [
        Matcher(categories=(Category.CODE,)),
        Matcher(severities=(Severity.ERROR,)),
        Matcher(sources=("webhook",)),
        Matcher(events=("invoice.*",)),
        Matcher(exceptions=("LookupError",)),
        Matcher(livemode=True),
        Matcher(endpoints=("default",)),
        Matcher(accounts=("acct_*",)),
        Matcher(min_amounts={"eur": 100_000}),
        Matcher(min_attempt=2),
        Matcher(context={"tenant": "north"}),
    ],
    ids=str,
)
def test_a_rule_can_ask_for_every_fact_and_for_the_built_in_verdict(matcher: Matcher) -> None:
    rule = Rule("r", matcher)
    bare = Failure("key", FAILURE.occurred_at, ("TimeoutError",), "", source="payouts", will_retry=True)
    assert verdict(replace(LIVE_AGAIN, account="acct_1", context={"tenant": "north"}), rule).rule == "r"
    assert verdict(bare, rule).rule == "built-in network-timeout"


# --- fingerprints


@pytest.mark.parametrize(
    ("changes", "in_code", "in_infrastructure"),
    [
        # what differs between two failures -> are they one problem?
        ({"key": "webhooks.failure:2"}, "same", "same"),
        ({"event_id": "evt_2"}, "same", "same"),
        ({"occurred_at": datetime(2026, 11, 23, tzinfo=UTC)}, "same", "same"),
        ({"message": "'price'"}, "same", "same"),
        ({"attempt": 7}, "same", "same"),
        ({"will_retry": False}, "same", "same"),
        ({"endpoint": "connect"}, "same", "same"),
        ({"peer": "tax.example.com"}, "same", "other"),
        ({"object_id": "in_2"}, "same", "same"),
        ({"customer": "cus_2"}, "same", "same"),
        ({"money": None}, "same", "same"),
        ({"traceback": "other"}, "same", "same"),
        ({"context": {"tenant": "north", "event_type": "x"}}, "same", "same"),
        ({"frame": Frame("billing/handlers.py", 99, "billing.handlers", "record_payment")}, "same", "same"),
        ({"frame": Frame("src/billing/handlers.py", 84, "billing.handlers", "record_payment")}, "same", "same"),
        ({"frame": Frame("billing/handlers.py", 84, "billing.handlers", "refund")}, "other", "same"),
        ({"frame": Frame("billing/handlers.py", 84, "billing.refunds", "record_payment")}, "other", "same"),
        ({"frame": None}, "other", "same"),
        ({"event_type": "invoice.voided"}, "other", "same"),
        ({"livemode": False}, "other", "other"),
        ({"account": "acct_2"}, "other", "other"),
        ({"source": "payouts"}, "other", "other"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_what_counts_as_one_problem(changes: dict[str, Any], in_code: str, in_infrastructure: str) -> None:
    for raised, expected in ((KeyError, in_code), (db.OperationalError, in_infrastructure)):
        failure = replace(FAILURE, exceptions=paths(raised))
        same = verdict(replace(failure, **changes)).fingerprint == verdict(failure).fingerprint
        assert same is (expected == "same"), raised


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (KeyError, IndexError, False),
        (KeyError, stripe.CardError, False),
        (db.OperationalError, db.InterfaceError, True),
        (requests.ReadTimeout, ConnectionRefusedError, True),
        (requests.ReadTimeout, requests.HTTPError, False),  # retried until it passes; to be mended by somebody
        (db.OperationalError, stripe.APIConnectionError, False),
        (stripe.APIConnectionError, stripe.RateLimitError, False),
    ],
)
def test_exceptions_of_one_outage_are_one_problem(
    one: type[BaseException], other: type[BaseException], same: bool
) -> None:
    found = [verdict(replace(FAILURE, exceptions=paths(cls))).fingerprint for cls in (one, other)]
    assert (found[0] == found[1]) is same


HERE = Frame("billing/tax.py", 84, "billing.tax", "rates")
ELSEWHERE = Frame("billing/crm.py", 12, "billing.crm", "tell")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"peer": "tax.example.com"}, {"peer": "crm.example.com"}, False),
        ({"peer": "tax.example.com"}, {"peer": "tax.example.com", "frame": ELSEWHERE}, True),
        ({"peer": "tax.example.com"}, {"peer": "tax.example.com", "event_type": "invoice.voided"}, True),
        ({"frame": HERE}, {"frame": ELSEWHERE}, False),  # the module that called stands for the service
        ({"frame": HERE}, {"frame": replace(HERE, function="refunds")}, True),
        ({"peer": "tax.example.com"}, {"frame": HERE}, False),
    ],
)
@pytest.mark.parametrize("kind", ["network", "service-error", "service-rate-limit", "broker-unavailable"])
def test_the_outage_of_one_service_never_hides_anothers(
    kind: str, one: dict[str, Any], other: dict[str, Any], same: bool
) -> None:
    found = [verdict(replace(FAILURE, kind=kind, transient=True, **changes)).fingerprint for changes in (one, other)]
    assert (found[0] == found[1]) is same


def test_a_deadlock_and_redis_are_not_the_databases_outage() -> None:
    def by(kind: str, **changes: Any) -> str:
        return verdict(replace(FAILURE, kind=kind, transient=True, **changes)).fingerprint

    assert by("database-unavailable") == by("database-full", frame=ELSEWHERE, event_type="invoice.voided")
    assert by("database-unavailable") != by("database-contention")
    assert by("database-unavailable") != by("redis-unavailable", peer="redis")


def test_a_group_is_told_as_its_worst_part() -> None:
    group = ("ExceptionGroup", "KeyError", "LookupError", "Exception", "BaseExceptionGroup", "TimeoutError")
    failure = replace(FAILURE, exceptions=group, kind="code", transient=False)
    other = replace(failure, exceptions=(group[0], "TypeError", *group[3:]))
    assert verdict(failure).title == "a bug in the handler (KeyError)"
    assert verdict(failure).fingerprint != verdict(other).fingerprint
    assert verdict(failure, Rule("late", Matcher(exceptions=("TimeoutError",)))).rule == "late"


def test_the_title_names_the_service() -> None:
    failure = replace(FAILURE, kind="network", transient=True)
    assert verdict(failure).title == "a service is unreachable (KeyError)"
    assert verdict(replace(failure, peer="tax.example.com")).title == "tax.example.com is unreachable (KeyError)"


def test_an_absent_field_is_not_taken_from_the_context() -> None:
    failure = replace(FAILURE, event_type="", account="")
    crowded = replace(failure, context={"event_type": "invoice.paid", "account": "acct_2", "module": "x"})
    assert verdict(failure).fingerprint == verdict(crowded).fingerprint


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("source", {"source": "payouts"}),
        ("livemode", {"livemode": False}),
        ("account", {"account": "acct_2"}),
        ("category", {"exceptions": paths(db.OperationalError)}),
        ("event_type", {"event_type": "charge.refunded"}),
        ("exception", {"exceptions": paths(IndexError)}),
        ("module", {"frame": Frame("x.py", 84, "billing.other", "record_payment")}),
        ("function", {"frame": Frame("x.py", 84, "billing.handlers", "refund")}),
        ("endpoint", {"endpoint": "connect"}),
        ("peer", {"peer": "tax.example.com"}),
        ("object_id", {"object_id": "in_2"}),
        ("customer", {"customer": "cus_2"}),
        ("context.tenant", {"context": {"tenant": "south"}}),
    ],
)
def test_a_rule_names_the_only_fields_that_count(field: str, change: dict[str, Any]) -> None:
    failure = replace(FAILURE, context={"tenant": "north"})
    changed = replace(failure, **change)
    rest = replace(failure, event_id="evt_2", message="other", money=None, attempt=3)

    def by(fields: tuple[str, ...], one: Failure) -> str:
        return verdict(one, Rule("r", EVERYTHING, fingerprint=fields)).fingerprint

    assert by((field,), failure) != by((field,), changed)
    assert by((field,), failure) == by((field,), rest)
    assert by(("context.shop",), failure) == by(("context.shop",), changed)


def test_fields_do_not_run_into_each_other() -> None:
    one = replace(FAILURE, endpoint="ab", customer="c")
    other = replace(FAILURE, endpoint="a", customer="bc")
    fields = ("endpoint", "customer")
    assert fingerprint(one, Category.CODE, fields) != fingerprint(other, Category.CODE, fields)


def test_a_fingerprint_outlives_the_process() -> None:
    """Alerts are found by it after a restart: a change here opens every open alert a second time."""
    assert verdict(FAILURE).fingerprint == "d2d4146017872f9609dd38e60cb0cd06"
