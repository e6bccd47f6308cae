from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
import stripe
from django.core.exceptions import ObjectDoesNotExist
from django.db import OperationalError
from hypothesis import given, settings
from hypothesis import strategies as st
from stripe.oauth_error import InvalidGrantError

from notifier.facts import Category, Money, Severity, Subject
from notifier.judge.match import Matcher, canonical, matches, mismatch

quick = settings(max_examples=20)

SUBJECT = Subject(
    severity=Severity.ERROR,
    category=Category.DATABASE,
    source="webhook",
    event_type="invoice.payment_failed",
    exceptions=("django.db.OperationalError", "django.db.DatabaseError", "django.db.Error", "Exception"),
    livemode=True,
    endpoint="billing",
    account="acct_1Nv0FGQ9RKHgCVdK",
    money=Money(125_000, "eur"),
    attempt=3,
    context={"region": "eu-west", "tenant": "north"},
    fingerprint="f1",
)
BARE = Subject(severity=Severity.INFO, category=Category.UNKNOWN)


@pytest.mark.parametrize(
    ("matcher", "why_not"),
    [
        pytest.param(Matcher(), None, id="nothing asked"),
        # severity
        pytest.param(Matcher(min_severity=Severity.WARNING), None, id="worse than the least severity"),
        pytest.param(Matcher(min_severity=Severity.ERROR), None, id="as bad as the least severity"),
        pytest.param(Matcher(min_severity=Severity.CRITICAL), "severity is error", id="less bad"),
        pytest.param(Matcher(severities=(Severity.INFO, Severity.ERROR)), None, id="one of the severities"),
        pytest.param(Matcher(severities=(Severity.CRITICAL,)), "severity is error", id="none of the severities"),
        # fingerprint
        pytest.param(Matcher(fingerprints=("f0", "f1")), None, id="one of the kinds"),
        pytest.param(Matcher(fingerprints=("f", "f*")), "fingerprint is f1", id="a kind is no glob"),
        # category
        pytest.param(Matcher(categories=(Category.CODE, Category.DATABASE)), None, id="category"),
        pytest.param(Matcher(categories=(Category.CODE,)), "category is database", id="another category"),
        # source
        pytest.param(Matcher(sources=("webhook",)), None, id="source"),
        pytest.param(Matcher(sources=("web*",)), None, id="source by glob"),
        pytest.param(Matcher(sources=("watch.*",)), "source is webhook", id="another source"),
        # event type
        pytest.param(Matcher(events=("charge.*", "invoice.*")), None, id="event by glob"),
        pytest.param(Matcher(events=("invoice.payment_failed",)), None, id="event by name"),
        pytest.param(Matcher(events=("*.payment_*",)), None, id="event by two globs in one"),
        pytest.param(Matcher(events=("invoice",)), "event is invoice.payment_failed", id="a part is not the whole"),
        pytest.param(Matcher(events=("Invoice.*",)), "event is invoice.payment_failed", id="case counts"),
        # exception
        pytest.param(Matcher(exceptions=("django.db.OperationalError",)), None, id="exception"),
        pytest.param(Matcher(exceptions=("django.db.Error",)), None, id="a base class"),
        pytest.param(Matcher(exceptions=("django.db.utils.OperationalError",)), None, id="as Django's source has it"),
        pytest.param(Matcher(exceptions=("builtins.Exception",)), None, id="a built-in by its full name"),
        pytest.param(Matcher(exceptions=("KeyError", "django.db.DatabaseError")), None, id="one of several"),
        pytest.param(
            Matcher(exceptions=("django.db.IntegrityError",)),
            "exception is django.db.OperationalError",
            id="a sibling is not a base",
        ),
        pytest.param(
            Matcher(exceptions=("django.db.*",)), "exception is django.db.OperationalError", id="no globs in paths"
        ),
        # livemode
        pytest.param(Matcher(livemode=True), None, id="live"),
        pytest.param(Matcher(livemode=False), "livemode is true", id="test mode asked"),
        # endpoint and account
        pytest.param(Matcher(endpoints=("b*",)), None, id="endpoint"),
        pytest.param(Matcher(endpoints=("connect",)), "endpoint is billing", id="another endpoint"),
        pytest.param(Matcher(accounts=("acct_1Nv*",)), None, id="account"),
        pytest.param(Matcher(accounts=("acct_2*",)), "account is acct_1Nv0FGQ9RKHgCVdK", id="another account"),
        # amount, in the currency's smallest unit
        pytest.param(Matcher(min_amounts={"eur": 125_000}), None, id="exactly the amount"),
        pytest.param(Matcher(min_amounts={"usd": 1, "eur": 100}), None, id="one of the currencies"),
        pytest.param(Matcher(min_amounts={"eur": 125_001}), "amount is EUR 1,250.00", id="a cent less"),
        pytest.param(Matcher(min_amounts={"usd": 1}), "amount is EUR 1,250.00", id="never across currencies"),
        # attempt
        pytest.param(Matcher(min_attempt=3), None, id="the attempt itself"),
        pytest.param(Matcher(min_attempt=4), "attempt is 3", id="a later attempt asked"),
        # context
        pytest.param(Matcher(context={"region": "eu-*"}), None, id="context by glob"),
        pytest.param(Matcher(context={"region": "us-*"}), "context region is eu-west", id="another context"),
        pytest.param(
            Matcher(context={"region": "eu-*", "tenant": "south"}), "context tenant is north", id="every key must match"
        ),
        pytest.param(Matcher(context={"shop": "?*"}), "context shop is not set", id="a key that is not there"),
        # Alertmanager's `job: ".*"` takes an alert without a job, too.
        pytest.param(Matcher(context={"shop": "*"}), None, id="anything, also nothing"),
    ],
)
def test_each_question(matcher: Matcher, why_not: str | None) -> None:
    assert mismatch(matcher, SUBJECT) == why_not
    assert matches(matcher, SUBJECT) is (why_not is None)


@pytest.mark.parametrize(
    ("matcher", "why_not"),
    [
        (Matcher(events=("invoice.*",)), "event is not set"),
        (Matcher(exceptions=("Exception",)), "exception is not set"),
        (Matcher(livemode=True), "livemode is false"),
        (Matcher(endpoints=("default",)), "endpoint is not set"),
        (Matcher(accounts=("acct_*",)), "account is not set"),
        (Matcher(min_amounts={"eur": 0}), "amount is not set"),
        (Matcher(min_attempt=2), "attempt is 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_subject_lacks_is_said_to_be_not_set(matcher: Matcher, why_not: str) -> None:
    assert mismatch(matcher, BARE) == why_not


def test_the_first_wrong_answer_is_the_one_that_is_named() -> None:
    matcher = Matcher(categories=(Category.CODE,), events=("charge.*",), livemode=False)
    assert mismatch(matcher, SUBJECT) == "category is database"


def test_every_question_must_be_answered_rightly() -> None:
    matcher = Matcher(
        min_severity=Severity.ERROR,
        severities=(Severity.ERROR,),
        categories=(Category.DATABASE,),
        sources=("webhook",),
        events=("invoice.*",),
        exceptions=("django.db.Error",),
        livemode=True,
        endpoints=("billing",),
        accounts=("acct_*",),
        min_amounts={"eur": 1},
        min_attempt=1,
        context={"region": "*"},
        fingerprints=("f0", "f1"),
    )
    asked = [one.name for one in fields(Matcher) if getattr(matcher, one.name) != getattr(Matcher(), one.name)]
    assert asked == [one.name for one in fields(Matcher)], "a new field needs a value here and rows above"
    assert matches(matcher, SUBJECT)
    assert not matches(matcher, BARE)


# --- paths


@pytest.mark.parametrize(
    ("path", "known_as"),
    [
        ("KeyError", "KeyError"),
        ("builtins.KeyError", "KeyError"),
        ("stripe.CardError", "stripe.CardError"),
        ("stripe._error.CardError", "stripe.CardError"),
        ("stripe.error.CardError", "stripe.CardError"),  # the module of stripe-python before 8
        ("stripe.oauth_error.InvalidGrantError", "stripe.oauth_error.InvalidGrantError"),
        ("django.db.utils.OperationalError", "django.db.OperationalError"),
        ("django.db.models.deletion.ProtectedError", "django.db.models.deletion.ProtectedError"),
        ("pydantic_core._pydantic_core.ValidationError", "pydantic_core.ValidationError"),
        ("billing.errors._Unpaid", "billing.errors._Unpaid"),  # a private class keeps its name
        ("billing._errors.Unpaid", "billing.Unpaid"),
        ("billing.models.Invoice.DoesNotExist", "billing.models.Invoice.DoesNotExist"),
    ],
)
def test_canonical_is_the_path_people_know(path: str, known_as: str) -> None:
    assert canonical(path) == known_as
    assert canonical(known_as) == known_as


class Unpaid(ObjectDoesNotExist):
    pass


@pytest.mark.parametrize(
    "cls",
    [Unpaid, OperationalError, json.JSONDecodeError, stripe.CardError, InvalidGrantError],
)
def test_an_exception_matches_by_itself_and_by_each_of_its_bases(cls: type[Exception]) -> None:
    as_found = [f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__]
    subject = replace(BARE, exceptions=tuple(map(canonical, as_found)))
    for path in (*as_found, *subject.exceptions):
        assert matches(Matcher(exceptions=(path,)), subject), path


# --- what always holds

words = st.text("abc.*_", max_size=6)
subjects = st.builds(
    Subject,
    severity=st.sampled_from(Severity),
    category=st.sampled_from(Category),
    source=words,
    event_type=words,
    exceptions=st.lists(words, max_size=2).map(tuple),
    livemode=st.booleans(),
    endpoint=words,
    account=words,
    money=st.none() | st.builds(Money, st.integers(-5, 5), st.sampled_from(["eur", "jpy"])),
    attempt=st.integers(1, 5),
    context=st.dictionaries(words, words, max_size=2),
    fingerprint=words,
)
globs = st.lists(st.text("abc.*?", max_size=3), max_size=2).map(tuple)
matchers = st.builds(
    Matcher,
    min_severity=st.none() | st.sampled_from(Severity),
    severities=st.lists(st.sampled_from(Severity), max_size=3).map(tuple),
    categories=st.lists(st.sampled_from(Category), max_size=9).map(tuple),
    sources=globs,
    events=globs,
    livemode=st.none() | st.booleans(),
    endpoints=globs,
    accounts=globs,
    min_amounts=st.dictionaries(st.sampled_from(["eur", "jpy"]), st.integers(-5, 5), max_size=2),
    min_attempt=st.none() | st.integers(1, 5),
    context=st.dictionaries(words, words, max_size=1),
    fingerprints=st.lists(words, max_size=2).map(tuple),
)


@quick
@given(subjects)
def test_an_empty_matcher_matches_everything(subject: Subject) -> None:
    assert mismatch(Matcher(), subject) is None


@quick
@given(matchers, subjects)
def test_a_matcher_matches_exactly_when_each_of_its_questions_does(matcher: Matcher, subject: Subject) -> None:
    alone = [replace(Matcher(), **{one.name: getattr(matcher, one.name)}) for one in fields(Matcher)]
    assert matches(matcher, subject) == all(matches(one, subject) for one in alone)
