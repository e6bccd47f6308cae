"""NOTIFIER as written -> the Policy: values, defaults, twins, and that nothing written there breaks the reading."""

import re
from collections.abc import Iterator
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import settings as limit
from hypothesis import strategies as st
from pydantic import BaseModel
from pytest_django import Settings

from notifier.config.build import INHIBITIONS
from notifier.config.conf import get_policy, parse, parse_match, read_settings
from notifier.config.problems import TWINS
from notifier.config.schema import ENTRIES, MatchEntry, Written
from notifier.facts import Category, Recipient, Severity, Timing
from notifier.judge import throttle
from notifier.judge.calendar import QuietHours
from notifier.judge.match import Matcher
from notifier.judge.policy import DigestPlan, Inhibition, Limits, Policy, Quiet, Route, Rule, Watch
from notifier.judge.throttle import Window

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

CREDENTIALS: dict[str, object] = {
    "SLACK_BOT_TOKEN": "xoxb-made-up",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/made-up",
    "TWILIO_ACCOUNT_SID": "AC-made-up",
    "TWILIO_AUTH_TOKEN": "made-up",
    "TWILIO_FROM": "+15005550006",
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "DEFAULT_FROM_EMAIL": "alerts@example.com",
}


def example() -> dict[str, Any]:
    """The example of docs/settings.md, which uses every key."""
    found = re.search(r"```python\n(NOTIFIER = .*?)```", DOCS.read_text(), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)  # noqa: S102 - the project's own documentation
    table: dict[str, Any] = names["NOTIFIER"]
    return table


EXAMPLE = example()


def policy_of(raw: object, **settings: object) -> Policy:
    policy, problems = parse(raw, (CREDENTIALS | settings).get)
    assert policy is not None, problems
    return policy


def memory(**more: object) -> dict[str, Any]:
    return {"CHANNELS": {"a": {"BACKEND": "memory"}, "b": {"BACKEND": "memory"}}} | more


# --- the documentation --------------------------------------------------------------------------------------------


def test_the_example_of_the_documentation_has_no_problem() -> None:
    assert parse(EXAMPLE, CREDENTIALS.get)[1] == []


def test_the_documentation_names_every_key() -> None:
    text = DOCS.read_text()
    models: list[type[BaseModel]] = [Written, MatchEntry, *ENTRIES.values()]
    keys = {field.alias or name for model in models for name, field in model.model_fields.items()}
    assert {key for key in keys if f"`{key}`" not in text} == set()


# --- values -------------------------------------------------------------------------------------------------------


def test_an_empty_table_is_a_policy_that_tells_nobody() -> None:
    assert policy_of({}) == Policy(channels={}, rules=(), routes=(), digests=(), inhibitions=INHIBITIONS)


def test_a_channel_takes_its_options_from_the_settings_and_from_its_own() -> None:
    policy = policy_of({"CHANNELS": {"s": {"BACKEND": "slack", "TO": "#a", "OPTIONS": {"token": "own", "timeout": 3}}}})
    channel = policy.channels["s"]
    assert (channel.kind, channel.backend, channel.missing) == ("slack", "slack", ())
    assert dict(channel.options) == {"token": "own", "timeout": 3}
    assert dict(policy_of({"CHANNELS": {"s": {"BACKEND": "slack", "TO": "#a"}}}).channels["s"].options) == {
        "token": "xoxb-made-up"
    }


def test_each_recipient_is_a_target_once() -> None:
    raw = {"CHANNELS": {"team": {"BACKEND": "email", "TO": ["a@example.com", "b@example.com", "a@example.com"]}}}
    targets = policy_of(raw).channels["team"].targets
    assert targets == (Recipient("team", "email", "a@example.com"), Recipient("team", "email", "b@example.com"))


@pytest.mark.parametrize("kind", ["slack_webhook", "console", "memory"])
def test_a_channel_whose_address_decides_nothing_needs_none(kind: str) -> None:
    assert policy_of({"CHANNELS": {"here": {"BACKEND": kind}}}).channels["here"].targets == (
        Recipient("here", kind, "here"),
    )


def test_a_severity_table_answers_each_severity_with_one_row() -> None:
    routes = policy_of(memory(ROUTES={"*": "a", ">=error": "b", "critical": ["a", "b"]})).routes
    assert {route.name: route.matcher.severities for route in routes} == {
        "*": (Severity.INFO, Severity.WARNING),
        ">=error": (Severity.ERROR,),
        "critical": (Severity.CRITICAL,),
    }
    assert routes[2].to == ("a", "b")


def test_defaults_hold_for_the_table_too() -> None:
    defaults = {"wait": "1m", "interval": "7m", "repeat": "2h", "resolved": False, "after_attempts": 2}
    (route,) = policy_of(memory(ROUTES={"*": "a"}, DEFAULTS=defaults)).routes
    assert route.timing == Timing(MINUTE, (7 * MINUTE,), 2 * HOUR, resolved=False)
    assert route.after_attempts == 2


def test_a_route_overrules_the_defaults_even_with_nothing() -> None:
    defaults = {"repeat": "2h", "interval": ["1m", "9m"]}
    routes = [{"to": "a", "repeat": None, "continue": True}, {"name": "n", "to": ("b", "b"), "interval": "3m"}]
    first, second = policy_of(memory(ROUTES=routes, DEFAULTS=defaults)).routes
    assert first == Route("ROUTES[0]", Matcher(), ("a",), Timing(windows=(MINUTE, 9 * MINUTE)), go_on=True)
    assert second == Route("n", Matcher(), ("b",), Timing(windows=(3 * MINUTE,), repeat=2 * HOUR))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, Matcher()),
        ({"severity": "critical"}, Matcher(severities=(Severity.CRITICAL,))),
        ({"severity": ">=error"}, Matcher(min_severity=Severity.ERROR)),
        ({"severity": ["info", ">=error"]}, Matcher(severities=(Severity.INFO, Severity.ERROR, Severity.CRITICAL))),
        ({"category": ["database", "stripe-api"]}, Matcher(categories=(Category.DATABASE, Category.STRIPE_API))),
        ({"source": "watch.*", "event": ("a.*", "b")}, Matcher(sources=("watch.*",), events=("a.*", "b"))),
        ({"exception": "stripe.CardError"}, Matcher(exceptions=("stripe.CardError",))),
        ({"livemode": False}, Matcher(livemode=False)),
        ({"endpoint": "connect", "account": ""}, Matcher(endpoints=("connect",), accounts=("",))),
        ({"amount": {"EUR": "100.00", "jpy": "100"}}, Matcher(min_amounts={"eur": 10000, "jpy": 100})),
        ({"attempt": ">=3"}, Matcher(min_attempt=3)),
        ({"attempt": 3}, Matcher(min_attempt=3)),
        ({"context": {"region": "eu-*"}}, Matcher(context={"region": "eu-*"})),
    ],
)
def test_a_match_is_read(written: dict[str, object], expected: Matcher) -> None:
    assert parse_match(written) == expected


def test_a_match_of_a_silence_is_refused_with_every_mistake_in_sentences() -> None:
    with pytest.raises(ValueError, match="match") as refused:
        parse_match({"evnt": "invoice.*", "severity": "eror"})
    assert str(refused.value) == (
        'match["severity"]: there is no severity "eror". Did you mean "error"? '
        'match: there is no key "evnt". Did you mean "event"?'
    )


def test_rules_digests_inhibitions_and_thresholds_are_read() -> None:
    policy = policy_of(EXAMPLE)
    assert policy.rules[0] == Rule(
        name="known hiccup of the tax service",
        matcher=Matcher(exceptions=("requests.exceptions.ReadTimeout",), context={"service": "tax*"}),
        severity=Severity.WARNING,
        category=Category.NETWORK,
        transient=True,
        title="the tax service is slow",
        hint="Nothing to do unless it lasts for an hour.",
        fingerprint=("livemode", "context.service"),
    )
    assert policy.rules[1].ignore
    assert policy.digests == (
        DigestPlan("daily", ("team",), time(8), "day", "Europe/Berlin"),
        DigestPlan("week", ("slack",), time(9), "week", "Europe/Berlin", 0, when_quiet=False),
    )
    assert policy.inhibitions == (
        Inhibition("database down", Matcher(categories=(Category.DATABASE,)), Matcher(categories=(Category.WORKER,))),
    )
    assert policy.watch == Watch(expect={"invoice.paid": 6 * HOUR})
    assert policy.channels["slack"].failover_after == 10 * MINUTE


def test_quiet_hours_belong_to_their_channels_and_have_a_time_zone() -> None:
    policy = policy_of(EXAMPLE)
    every_day = frozenset(range(7))
    assert policy.channels["oncall"].quiet == (
        Quiet("oncall", (QuietHours(every_day, time(22), time(7), "Europe/Berlin"),), Severity.CRITICAL),
    )
    (nights,) = policy.channels["slack"].quiet
    assert nights.hours[1] == QuietHours(frozenset({5, 6}), time(20), time(10), "Europe/Berlin")
    assert policy.channels["team"].quiet == ()


def test_the_time_zone_of_an_entry_goes_before_that_of_the_table_and_that_before_djangos() -> None:
    raw = memory(DIGESTS={"d": {"TO": "a"}, "e": {"TO": "a", "TZ": "Asia/Tokyo"}})
    assert [digest.tz for digest in policy_of(raw).digests] == ["UTC", "Asia/Tokyo"]
    assert [digest.tz for digest in policy_of(raw | {"TZ": "Europe/Rome"}).digests] == ["Europe/Rome", "Asia/Tokyo"]
    policy, _ = parse(raw, tz="Australia/Sydney")
    assert policy is not None
    assert (policy.tz, policy.digests[0].tz) == ("Australia/Sydney", "Australia/Sydney")


def test_limits_are_read() -> None:
    assert policy_of(EXAMPLE).channels["oncall"].limits == Limits(
        windows=throttle.SMS,
        messages_per_day=60,
        money_per_day=Decimal("5.00"),
        price_per_part=Decimal("0.08"),
        overflow="slack",
    )


@pytest.mark.parametrize(
    ("kind", "to", "limit", "expected"),
    [
        ("sms", "+14155552671", {}, throttle.SMS),
        ("slack", "#a", {}, throttle.SLACK),
        ("slack_webhook", "#a", {}, throttle.SLACK),
        ("email", "a@example.com", {}, throttle.MAIL),
        ("email", "a@example.com", {"RATES": []}, ()),
        ("sms", "+14155552671", {"RATES": []}, ()),
        ("sms", "+14155552671", {"MESSAGES_PER_DAY": 3}, throttle.SMS),  # a budget is no rate
        ("email", "a@example.com", {"RATES": "2/1h smooth"}, (Window(2, HOUR, smooth=True),)),
    ],
)
def test_a_channel_without_rates_has_those_of_its_kind(
    kind: str, to: str, limit: dict[str, object], expected: tuple[Window, ...]
) -> None:
    raw = {"CHANNELS": {"c": {"BACKEND": kind, "TO": to}}, "LIMITS": {"c": limit}}
    assert policy_of(raw).channels["c"].limits.windows == expected


def test_an_empty_list_switches_the_built_in_inhibitions_off() -> None:
    assert policy_of({}).inhibitions == INHIBITIONS
    assert policy_of({"INHIBIT": []}).inhibitions == ()


def test_durations_may_be_timedeltas() -> None:
    assert policy_of({"RETENTION": 3 * DAY, "QUIET_PERIOD": "1h30m"}).retention == 3 * DAY


# --- credentials and twins ----------------------------------------------------------------------------------------

SMS_CHANNEL = {"CHANNELS": {"oncall": {"BACKEND": "sms", "TO": ["+14155552671"]}}}
TWILIO = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM")


def test_where_twins_may_stand_in_a_channel_without_credentials_prints() -> None:
    policy, _ = parse(SMS_CHANNEL, twins=True)
    assert policy is not None
    channel = policy.channels["oncall"]
    assert (channel.kind, channel.backend, channel.missing) == ("sms", "console", TWILIO)
    assert dict(channel.options) == {"as": "sms"}
    assert channel.targets == (Recipient("oncall", "sms", "+14155552671"),)


def test_elsewhere_it_stays_what_it_is_so_that_its_messages_fail_over() -> None:
    policy, problems = parse(SMS_CHANNEL)
    assert policy is not None
    channel = policy.channels["oncall"]
    assert (channel.kind, channel.backend, channel.missing) == ("sms", "sms", TWILIO)
    assert [problem.id for problem in problems if problem.level == "error"] == ["E005"]


@pytest.mark.parametrize(("kind", "address"), [("sms", "on-call"), ("email", "team")])
def test_a_twin_without_recipients_has_a_placeholder(kind: str, address: str) -> None:
    policy, _ = parse({"CHANNELS": {"c": {"BACKEND": kind, "TO": []}}}, CREDENTIALS.get, twins=True)
    assert policy is not None
    assert policy.channels["c"].backend == "console"
    assert [target.address for target in policy.channels["c"].targets] == [address]


def test_credentials_make_the_real_channel_also_where_twins_may_stand_in() -> None:
    policy, problems = parse(SMS_CHANNEL, CREDENTIALS.get, twins=True)
    assert policy is not None
    assert policy.channels["oncall"].backend == "sms"
    assert "W009" not in {problem.id for problem in problems}


# --- Django's settings --------------------------------------------------------------------------------------------


def test_the_policy_is_made_once_and_again_when_a_setting_changes(settings: Settings) -> None:
    settings.NOTIFIER = memory(ROUTES={"*": "a"})
    first = get_policy()
    assert get_policy() is first
    settings.NOTIFIER = memory(ROUTES={"*": "b"})
    assert [route.to for route in get_policy().routes] == [("b",)]


def test_a_credential_that_changes_makes_another_policy(settings: Settings) -> None:
    settings.NOTIFIER = {"CHANNELS": {"s": {"BACKEND": "slack", "TO": "#a"}}}
    settings.SLACK_BOT_TOKEN = ""
    assert get_policy().channels["s"].missing == ("SLACK_BOT_TOKEN",)
    settings.SLACK_BOT_TOKEN = "xoxb-made-up"
    assert get_policy().channels["s"].missing == ()


@pytest.mark.parametrize("name", ["DEBUG", "DEMO"])
def test_twins_stand_in_under_debug_and_in_the_demo_only(settings: Settings, name: str) -> None:
    settings.NOTIFIER = {"CHANNELS": {"s": {"BACKEND": "slack", "TO": "#a"}}}
    settings.SLACK_BOT_TOKEN, settings.DEBUG, settings.DEMO = "", False, False
    assert get_policy().channels["s"].backend == "slack"
    setattr(settings, name, True)
    assert get_policy().channels["s"].backend == "console"


def test_twins_are_told_of_in_one_warning(settings: Settings) -> None:
    """`manage.py worker` runs the checks when it starts: that is the one warning."""
    settings.NOTIFIER = {"CHANNELS": {"s": {"BACKEND": "slack", "TO": "#a"}, "t": {"BACKEND": "email"}}}
    settings.SLACK_BOT_TOKEN, settings.DEBUG = "", True
    (problem,) = [problem for problem in read_settings()[1] if problem.id == TWINS]
    assert "s (SLACK_BOT_TOKEN not set), t (EMAIL_BACKEND" in problem.text


def test_a_table_that_cannot_be_used_names_every_mistake(settings: Settings) -> None:
    settings.NOTIFIER = {"CHANELS": {}, "RETENTION": "soon"}
    with pytest.raises(ImproperlyConfigured) as refused:
        get_policy()
    assert 'there is no key "CHANELS". Did you mean "CHANNELS"?' in str(refused.value)
    assert 'NOTIFIER["RETENTION"]: not a duration.' in str(refused.value)


def test_without_the_setting_nobody_is_told(settings: Settings) -> None:
    del settings.NOTIFIER
    assert get_policy().channels == {}


# --- whatever is written --------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=20) | st.sampled_from(["5m", "*", ">=error", "critical", "slack", "22:00-07:00", "UTC", "a.b"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def places(value: object, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a table, leaves and branches."""
    yield here
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*here, key))


PLACES = list(places(EXAMPLE))


def with_value(place: tuple[Any, ...], value: object) -> object:
    """The example with another value at one place."""
    if not place:
        return value
    outer: Any = EXAMPLE
    *before, last = place
    for key in before:
        outer = outer[key]
    changed = outer.copy()
    changed[last] = value
    return with_value(tuple(before), changed)


@limit(max_examples=60)
@given(VALUES, st.booleans())
def test_no_value_makes_the_reading_raise(raw: object, twins: bool) -> None:
    policy, problems = parse(raw, CREDENTIALS.get, twins=twins)
    assert policy is not None or problems
    assert all(problem.path.startswith("NOTIFIER") for problem in problems)


@limit(max_examples=60)
@given(st.sampled_from(PLACES), VALUES)
def test_no_value_at_any_place_makes_the_reading_raise(place: tuple[Any, ...], value: object) -> None:
    policy, problems = parse(with_value(place, value))
    assert policy is not None or any(problem.level == "error" for problem in problems)


CANARY = "CANARY-hunter2"
# Where a name is looked up, or given to something that others name: that name is shown.
NAMES = {
    *("BACKEND", "FAILOVER", "OVERFLOW", "CHANNELS", "EVERY", "WEEKDAY", "TZ", "UNLESS"),
    *("to", "name", "severity", "category", "fingerprint"),
    *("MEMBERS", "person", "oncall"),
}


def is_name(place: tuple[Any, ...]) -> bool:
    keys = [key for key in place if isinstance(key, str)]
    return bool(keys) and (keys[-1] in NAMES or (keys[0] in {"DIGESTS"} and keys[-1] == "TO"))


@pytest.mark.parametrize("value", [CANARY, [{"x": CANARY}]], ids=["as a value", "within a value"])
def test_no_value_is_shown_in_any_problem(value: object) -> None:
    shown = []
    for place in PLACES:
        if place and not is_name(place):
            _, problems = parse(with_value(place, value), lambda _: CANARY)
            shown += [(place, str(problem)) for problem in problems if "hunter2" in str(problem)]
    assert shown == []


def test_no_credential_is_shown_in_any_problem() -> None:
    for twins in (False, True):
        _, problems = parse({**EXAMPLE, "TZ": "nowhere"}, lambda _: CANARY, twins=twins)
        assert problems
        assert "hunter2" not in str(problems)


def test_a_secret_that_stands_where_a_name_belongs_is_taken_out() -> None:
    _, problems = parse(memory(ROUTES={"*": "xoxb-123456789012-abcdefghijkl"}))
    assert [problem.text for problem in problems][:1] == ['there is no channel "[secret]"']


def test_a_backend_that_fails_at_import_is_one_error_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_channel.py").write_text("import os\nTOKEN = os.environ['NO_SUCH_VARIABLE']\n")
    monkeypatch.syspath_prepend(tmp_path)
    table = {"CHANNELS": {"own": {"BACKEND": "shop_channel.Own", "TO": "x"}}, "ROUTES": {"*": ["own"]}}

    policy, problems = parse(table)

    assert policy is None
    assert [problem.path for problem in problems] == ['NOTIFIER["CHANNELS"]["own"]["BACKEND"]']
    assert "KeyError" in problems[0].hint
    assert "NO_SUCH_VARIABLE" in problems[0].hint
