"""Every mistake and every doubt in NOTIFIER: its place, what is said of it, and what is not a doubt."""

from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

import pytest
from django.core import checks
from pytest_django import Settings

from notifier.checks import check_notifier
from notifier.config.conf import parse
from notifier.config.covers import covers, severities_of
from notifier.config.problems import Problem
from notifier.facts import Category, Severity, Subject
from notifier.judge.match import Matcher, matches

CREDENTIALS: dict[str, object] = {
    "SLACK_BOT_TOKEN": "xoxb-made-up",
    "TWILIO_ACCOUNT_SID": "AC-made-up",
    "TWILIO_AUTH_TOKEN": "made-up",
    "TWILIO_FROM": "+15005550006",
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "DEFAULT_FROM_EMAIL": "alerts@example.com",
    "ONCALL_NUMBERS": [],
}
SLACK: dict[str, Any] = {"BACKEND": "slack", "TO": "#payments"}
ONCALL: dict[str, Any] = {"BACKEND": "sms", "TO": ["+14155552671"]}
TEAM: dict[str, Any] = {"BACKEND": "email", "TO": ["team@example.com"]}
CHANNELS: dict[str, dict[str, Any]] = {"slack": SLACK, "oncall": ONCALL, "team": TEAM}
BASE: dict[str, Any] = {
    "CHANNELS": CHANNELS,
    "ROUTES": {"critical": ["slack", "oncall"], "*": ["slack"]},
    "DIGESTS": {"daily": {"TO": ["team"]}},
}


def routes(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"ROUTES": list(entries)}


def route(**entry: Any) -> dict[str, Any]:
    return routes({"to": ["slack", "oncall"], **entry})


def channel(alias: str = "slack", **entry: Any) -> dict[str, Any]:
    return {"CHANNELS": CHANNELS | {alias: CHANNELS.get(alias, {}) | entry}}


def problems(changes: dict[str, Any]) -> list[Problem]:
    return parse(BASE | changes, CREDENTIALS.get)[1]


def test_the_base_of_these_tables_has_no_problem() -> None:
    assert problems({}) == []


# --- mistakes -----------------------------------------------------------------------------------------------------


def steps(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    return routes({"to": "slack", "escalate": list(entries), **more}, {"to": "team"})


LAST: dict[str, Any] = {"after": "1h", "last_resort": True}

MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    # steps of escalation
    (steps({"after": "10m", "to": "oncal"}), '["ROUTES"][0]["escalate"][0]["to"]', 'Did you mean "oncall"?'),
    (steps({"to": "oncall"}), '["ROUTES"][0]["escalate"][0]', '"after" is missing'),
    (steps({"afer": "1m"}), '["ROUTES"][0]["escalate"][0]', 'Did you mean "after"?'),
    (steps({"after": "10m"}), '["ROUTES"][0]["escalate"][0]', 'tells nobody. Name channels in "to"'),
    (steps({"after": "10", "to": "oncall"}), '["ROUTES"][0]["escalate"][0]["after"]', "no unit"),
    (steps({"after": "0s", "to": "oncall"}), '["ROUTES"][0]["escalate"][0]["after"]', "longer than nothing"),
    (steps({"after": "8d", "to": "oncall"}), '["ROUTES"][0]["escalate"][0]["after"]', "is longer than 7 d"),
    (
        steps({"after": "25m", "to": "oncall"}, {"after": "10m", "to": "team"}),
        '["ROUTES"][0]["escalate"][1]["after"]',
        "no later than the step before it, which comes after 25 min",
    ),
    (
        steps({"after": "9m", "to": "oncall"}, {"after": "9m", "to": "team"}),
        '["ROUTES"][0]["escalate"][1]["after"]',
        "",
    ),
    (
        steps(LAST, {"after": "2h", "to": "oncall"}),
        '["ROUTES"][0]["escalate"][1]',
        "no step comes after the last resort",
    ),
    (steps(LAST, LAST | {"after": "2h"}), '["ROUTES"][0]["escalate"][1]', "no step comes after the last resort"),
    (steps(LAST | {"each": True}), '["ROUTES"][0]["escalate"][0]', "nobody answers for the last resort"),
    (steps({"after": "1m", "to": "oncall"}, repeat_steps=21), '["ROUTES"][0]["repeat_steps"]', "equal to 20"),
    # not the right form
    ({"CHANNELS": []}, '["CHANNELS"]', "must be a dict"),
    ({"CHANNELS": CHANNELS | {"x": {"TO": "#a"}}}, '["CHANNELS"]["x"]', '"BACKEND" is missing'),
    ({"CHANNELS": CHANNELS | {"x": "slack"}}, '["CHANNELS"]["x"]', "must be a dict"),
    ({"CHANNELS": CHANNELS | {7: SLACK}}, '["CHANNELS"]', "its keys must be texts"),
    ({"CHANNELS": CHANNELS | {"a b": SLACK}}, '["CHANNELS"]["a b"]', "letters, digits"),
    (channel(TO=[7]), '["CHANNELS"]["slack"]["TO"][0]', "must be a text"),
    (channel(TO=7), '["CHANNELS"]["slack"]["TO"]', "must be a text"),
    ({"ROUTES": 7}, '["ROUTES"]', "must be a list"),
    ({"ROUTES": ["slack"]}, '["ROUTES"][0]', "must be a dict"),
    (routes({"match": {}}), '["ROUTES"][0]', '"to" is missing'),
    (route(match={"event": []}), '["ROUTES"][0]["match"]["event"]', "must not be empty"),
    (route(resolved="perhaps"), '["ROUTES"][0]["resolved"]', "must be True or False"),
    (route(after_attempts=0), '["ROUTES"][0]["after_attempts"]', "greater than or equal to 1"),
    (route(after_attempts="two"), '["ROUTES"][0]["after_attempts"]', "must be a whole number"),
    (route(name="x" * 101), '["ROUTES"][0]["name"]', "at most 100 characters"),
    ({"INHIBIT": [{"parent": {}}]}, '["INHIBIT"][0]', '"child" is missing'),
    ({"WATCH": {"REFUSED_SHARE": 2}}, '["WATCH"]["REFUSED_SHARE"]', "less than or equal to 1"),
    ({"WATCH": {"REFUSED_SHARE": float("nan")}}, '["WATCH"]["REFUSED_SHARE"]', "must be a finite number"),
    ({"LIMITS": {"oncall": {"MESSAGES_PER_DAY": 0}}}, '["LIMITS"]["oncall"]["MESSAGES_PER_DAY"]', "equal to 1"),
    # names that do not exist, with the nearest that does
    ({"ROUTE": {}}, "", 'there is no key "ROUTE". Did you mean "ROUTES"?'),
    ({"channels": {}}, "", 'Did you mean "CHANNELS"?'),
    (channel(to="#a"), '["CHANNELS"]["slack"]', 'there is no key "to". Did you mean "TO"?'),
    (channel(BACKEND="slak"), '["CHANNELS"]["slack"]["BACKEND"]', 'Did you mean "slack"?'),
    (channel(BACKEND="pigeon"), '["CHANNELS"]["slack"]["BACKEND"]', "Known are: console, email, memory, slack"),
    (channel(BACKEND="site.channels.Pager"), '["CHANNELS"]["slack"]["BACKEND"]', "cannot be imported"),
    (channel(BACKEND="datetime.datetime"), '["CHANNELS"]["slack"]["BACKEND"]', "no subclass of"),
    (channel(FAILOVER="taem"), '["CHANNELS"]["slack"]["FAILOVER"]', 'Did you mean "team"?'),
    (channel(OPTIONS={"tokn": "x"}), '["CHANNELS"]["slack"]["OPTIONS"]', 'no option "tokn". Did you mean "token"?'),
    ({"ROUTES": {"critcal": ["slack"]}}, '["ROUTES"]["critcal"]', 'Did you mean "critical"?'),
    ({"ROUTES": {"*": ["slack", "slck"]}}, '["ROUTES"]["*"][1]', 'no channel "slck". Did you mean "slack"?'),
    ({"ROUTES": {"*": "slck"}}, '["ROUTES"]["*"]', 'Did you mean "slack"?'),
    (routes({"to": []}, {"to": ["slack", "x"]}), '["ROUTES"][1]["to"][1]', "Known are: oncall, slack, team"),
    (route(contine=True), '["ROUTES"][0]', 'Did you mean "continue"?'),
    (route(match={"evnt": "a"}), '["ROUTES"][0]["match"]', 'Did you mean "event"?'),
    (route(match={"severity": "eror"}), '["ROUTES"][0]["match"]["severity"]', 'Did you mean "error"?'),
    (route(match={"severity": ["info", ">eror"]}), '["ROUTES"][0]["match"]["severity"][1]', 'mean ">=error"?'),
    (route(match={"category": "databse"}), '["ROUTES"][0]["match"]["category"]', 'Did you mean "database"?'),
    ({"CLASSIFY": [{"severity": "fatal"}]}, '["CLASSIFY"][0]["severity"]', "critical, error, info, warning"),
    ({"CLASSIFY": [{"fingerprint": ["event"]}]}, '["CLASSIFY"][0]["fingerprint"][0]', 'mean "event_type"?'),
    ({"DEFAULTS": {"intervall": "5m"}}, '["DEFAULTS"]', 'Did you mean "interval"?'),
    ({"DIGESTS": {"d": {"TO": "taem"}}}, '["DIGESTS"]["d"]["TO"]', 'Did you mean "team"?'),
    ({"DIGESTS": {"d": {"TO": "team", "EVERY": "dayly"}}}, '["DIGESTS"]["d"]["EVERY"]', 'Did you mean "day"?'),
    ({"DIGESTS": {"d": {"TO": "team", "TZ": "Berlin"}}}, '["DIGESTS"]["d"]["TZ"]', 'Did you mean "Europe/Berlin"?'),
    ({"TZ": "Mars/Olympus_Mons"}, '["TZ"]', 'no time zone "Mars/Olympus_Mons"'),
    ({"TZ": "../../etc/passwd"}, '["TZ"]', "no time zone"),
    ({"QUIET_HOURS": {"q": {"HOURS": "22:00-07:00", "CHANNELS": "x"}}}, '["QUIET_HOURS"]["q"]["CHANNELS"]', '"x"'),
    ({"LIMITS": {"oncal": {}}}, '["LIMITS"]["oncal"]', 'Did you mean "oncall"?'),
    ({"LIMITS": {"oncall": {"OVERFLOW": "slck"}}}, '["LIMITS"]["oncall"]["OVERFLOW"]', 'Did you mean "slack"?'),
    ({"WATCH": {"BACKLOGS": "5m"}}, '["WATCH"]', 'Did you mean "BACKLOG"?'),
    # values that cannot be read
    (route(wait="5"), '["ROUTES"][0]["wait"]', "no unit (d, h, m or s)"),
    (route(wait=5), '["ROUTES"][0]["wait"]', "not a text"),
    (route(interval=["5m", "soon"]), '["ROUTES"][0]["interval"][1]', "not a duration"),
    (route(interval="0s"), '["ROUTES"][0]["interval"]', "longer than nothing"),
    (route(match={"attempt": "3+"}), '["ROUTES"][0]["match"]["attempt"]', "not an attempt"),
    (route(match={"attempt": 0}), '["ROUTES"][0]["match"]["attempt"]', "not an attempt"),
    (route(match={"exception": "stripe.*"}), '["ROUTES"][0]["match"]["exception"]', "not a dotted path"),
    (route(match={"amount": {"eur": "1,000"}}), '["ROUTES"][0]["match"]["amount"]["eur"]', "not an amount"),
    (route(match={"amount": {"jpy": "1.50"}}), '["ROUTES"][0]["match"]["amount"]["jpy"]', "JPY has no decimals"),
    (route(match={"amount": {"eur": 1000}}), '["ROUTES"][0]["match"]["amount"]["eur"]', "not a text"),
    (route(match={"amount": {"euro": "1.00"}}), '["ROUTES"][0]["match"]["amount"]["euro"]', "not a currency"),
    (route(match={"amount": "1.00"}), '["ROUTES"][0]["match"]["amount"]', "must be a dict"),
    ({"DIGESTS": {"d": {"TO": "team", "AT": "25:00"}}}, '["DIGESTS"]["d"]["AT"]', "no such time of day"),
    (
        {"QUIET_HOURS": {"q": {"HOURS": ["22-7"], "CHANNELS": "slack"}}},
        '["QUIET_HOURS"]["q"]["HOURS"][0]',
        "not a time of day",
    ),
    ({"LIMITS": {"oncall": {"RATES": ["5 per hour"]}}}, '["LIMITS"]["oncall"]["RATES"][0]', "not a rate"),
    ({"LIMITS": {"oncall": {"RATES": ["0/1h"]}}}, '["LIMITS"]["oncall"]["RATES"][0]', "at least one message"),
    ({"EXPECT": {"invoice.paid": "sometimes"}}, '["EXPECT"]["invoice.paid"]', "not a duration"),
    ({"RETENTION": "-1d"}, '["RETENTION"]', "cannot be negative"),
    (channel(OPTIONS={"timeout": "long"}), '["CHANNELS"]["slack"]["OPTIONS"]["timeout"]', "number of seconds"),
    (route(match={"event": None}), '["ROUTES"][0]["match"]["event"]', "is None. Write a value, or leave it out"),
    (route(repeat="99999999d"), '["ROUTES"][0]["repeat"]', "too long"),
    ({"RETENTION": timedelta.max}, '["RETENTION"]', "too long"),
    ({"LIMITS": {"oncall": {"RATES": ["1/36501d"]}}}, '["LIMITS"]["oncall"]["RATES"][0]', "too long"),
    ({"LIMITS": {"oncall": {"MESSAGES_PER_DAY": True}}}, '["LIMITS"]["oncall"]["MESSAGES_PER_DAY"]', "a number"),
    (route(name=" "), '["ROUTES"][0]["name"]', "at least 1 character"),
    (route(name="a\0"), '["ROUTES"][0]["name"]', "invisible character"),
    ({"RELEASE": "1\n2"}, '["RELEASE"]', "line break"),
    ({"INHIBIT": iter(())}, '["INHIBIT"]', "can be read only once"),
    (channel(FAILOVER=b"team"), '["CHANNELS"]["slack"]["FAILOVER"]', "must be a text"),
    (channel(OPTIONS={"token": 7}), '["CHANNELS"]["slack"]["OPTIONS"]["token"]', "must be a text"),
    (channel(OPTIONS={"token": "xoxb-1\n"}), '["CHANNELS"]["slack"]["OPTIONS"]["token"]', "has a line break"),
    (channel(OPTIONS={"teams": 7}), '["CHANNELS"]["slack"]["OPTIONS"]["teams"]', "must be a list of ids"),
    (channel("oncall", OPTIONS={"links": "no"}), '["CHANNELS"]["oncall"]["OPTIONS"]["links"]', "True or False"),
    # addresses
    (
        channel("oncall", TO=["0151 2345678"]),
        '["CHANNELS"]["oncall"]["TO"][0]',
        "not a telephone number with its country",
    ),
    (channel("oncall", TO="+1 415 555 2671"), '["CHANNELS"]["oncall"]["TO"]', "has to be written in full"),
    (channel("team", TO=["team@example.com", "team"]), '["CHANNELS"]["team"]["TO"][1]', "is not an email address"),
    (channel(TO="payments"), '["CHANNELS"]["slack"]["TO"]', "is neither a channel (#payments) nor an id"),
    (channel("team", TO=""), '["CHANNELS"]["team"]["TO"]', "is not an email address"),
    # recipients
    (
        channel("oncall", TO=[]),
        '["CHANNELS"]["oncall"]',
        "has no recipients, so nobody is told by it. Set ONCALL_NUMBERS",
    ),
    # contradictions
    (channel(FAILOVER="slack"), '["CHANNELS"]["slack"]["FAILOVER"]', "cannot stand in for itself"),
    ({"LIMITS": {"oncall": {"OVERFLOW": "oncall"}}}, '["LIMITS"]["oncall"]["OVERFLOW"]', "its own overflow"),
    ({"LIMITS": {"oncall": {"MONEY_PER_DAY": "5"}}}, '["LIMITS"]["oncall"]', 'Add "PRICE_PER_PART"'),
    (routes({"name": "a", "to": "slack"}, {"name": "a", "to": "oncall"}), '["ROUTES"][1]["name"]', "several routes"),
]


@pytest.mark.parametrize(("changes", "place", "fragment"), MISTAKES)
def test_a_mistake_is_an_error_with_its_place_and_what_is_wrong(
    changes: dict[str, Any], place: str, fragment: str
) -> None:
    errors = [problem for problem in problems(changes) if problem.level == "error"]
    found = [str(problem) for problem in errors if problem.path == f"NOTIFIER{place}"]
    assert any(fragment in text for text in found), errors


def test_the_whole_may_not_be_something_else() -> None:
    assert [str(problem) for problem in parse(["CHANNELS"])[1]] == ["NOTIFIER: must be a dict."]


def test_every_mistake_is_reported_at_once_whatever_its_kind() -> None:
    table = {
        "CHANNELS": {
            "slack": SLACK | {"BACKEND": "slak"},  # a name
            "oncall": ONCALL | {"TO": ["12"]},  # an address
            "pager": {"BACKEND": "sms", "TO": ["+14155552671"], "OPTIONS": {"tokn": "x"}},  # an option
        },
        "ROUTES": [{"to": "slck", "wait": "5"}, {}],  # a name, a value, a form
        "LIMITS": {"oncall": {"OVERFLOW": "oncall"}},  # a contradiction
        "DIGESTS": {"daily": {"TO": "pager", "AT": "8"}},  # a value
    }
    found = {(problem.path.removeprefix("NOTIFIER"), problem.id) for problem in parse(table, CREDENTIALS.get)[1]}
    assert found == {
        ('["CHANNELS"]["slack"]["BACKEND"]', "E002"),
        ('["CHANNELS"]["oncall"]["TO"][0]', "E004"),
        ('["CHANNELS"]["pager"]["OPTIONS"]', "E002"),
        ('["ROUTES"][0]["to"]', "E002"),
        ('["ROUTES"][0]["wait"]', "E003"),
        ('["ROUTES"][1]', "E001"),
        ('["LIMITS"]["oncall"]["OVERFLOW"]', "E007"),
        ('["DIGESTS"]["daily"]["AT"]', "E003"),
    }


@pytest.mark.parametrize("changes", [channel("oncall", TO="12"), channel("oncall", TO=[])], ids=["address", "nobody"])
def test_what_the_environment_left_out_does_not_stop_the_rest(changes: dict[str, Any]) -> None:
    policy, found = parse(BASE | changes, CREDENTIALS.get)
    assert policy is not None
    assert [problem.level for problem in found] == ["error"]


# --- doubts -------------------------------------------------------------------------------------------------------

ALL = {"to": ["slack", "oncall"]}
NIGHTS: dict[str, Any] = {"HOURS": "22:00-07:00", "CHANNELS": ["slack", "oncall"]}

EXCEPTION_AT = '["CLASSIFY"][0]["match"]["exception"]'
DOUBTS: list[tuple[str, dict[str, Any], str, str]] = [
    # routes that can never match
    ("W001", routes(ALL, {"match": {"event": "invoice.*"}, "to": "team"}), '["ROUTES"][1]', 'route "ROUTES[0]"'),
    ("W001", routes({"name": "n", **ALL}, {"to": "team"}), '["ROUTES"][1]', 'Move it before "n", or give that one'),
    (
        "W001",  # a narrower glob
        routes(
            {"match": {"event": "invoice.*"}, "to": "team"}, {"match": {"event": "invoice.paid"}, "to": "team"}, ALL
        ),
        '["ROUTES"][1]',
        "never matches",
    ),
    (
        "W001",  # each severity is taken by another one
        routes(
            {"match": {"severity": ">=error"}, **ALL},
            {"match": {"severity": ["info", "warning"]}, "to": "slack"},
            {"match": {"event": "payout.*"}, "to": "team"},
        ),
        '["ROUTES"][2]',
        'route "ROUTES[1]"',
    ),
    (
        "W001",  # waits no longer than the later one
        routes({"after_attempts": 2, **ALL}, {"match": {"attempt": 3}, "to": "team"}),
        '["ROUTES"][1]',
        "never matches",
    ),
    (
        "W001",
        {"ROUTES": {"critical": ALL["to"], ">=info": "slack", "*": "team"}},
        '["ROUTES"]["*"]',
        "other rows name all of its severities",
    ),
    (
        "W001",
        {
            "CLASSIFY": [
                {"match": {"livemode": True}, "severity": "error"},
                {"match": {"livemode": True}, "ignore": True},
            ]
        },
        '["CLASSIFY"][1]',
        'rule "CLASSIFY[0]"',
    ),
    ("W011", steps(LAST, repeat_steps=2), '["ROUTES"][0]["repeat_steps"]', "repeats nothing"),
    ("W002", channel("spare", **SLACK), '["CHANNELS"]["spare"]', "nothing uses this channel"),
    (
        "W003",
        route(repeat="2m"),
        '["ROUTES"][0]["repeat"]',
        "reminds every 2 min, more often than it tells news (5 min)",
    ),
    ("W003", {"DEFAULTS": {"repeat": "2m"}}, '["DEFAULTS"]["repeat"]', "longer than interval"),
    ("W003", route(interval="2h") | {"DEFAULTS": {"repeat": "1h"}}, '["ROUTES"][0]["interval"]', "reminds every"),
    # critical alerts that nobody hears
    ("W004", {"ROUTES": {"error": ["slack", "oncall"]}}, '["ROUTES"]', "nobody is told of a critical alert"),
    ("W004", {"ROUTES": {"critical": [], "*": ["slack", "oncall"]}}, '["ROUTES"]', "nobody is told"),
    ("W004", {"ROUTES": {"critical": "team", "*": ["slack", "oncall"]}}, '["ROUTES"]', "by email only"),
    (
        "W004",  # one route for a few, and only email for the rest
        routes({"match": {"severity": "critical", "category": "database"}, **ALL}, {"to": "team"}),
        '["ROUTES"]',
        "by email only, which wakes nobody",
    ),
    ("W004", {"QUIET_HOURS": {"nights": NIGHTS}}, '["QUIET_HOURS"]', "on Mon at 22:00 UTC"),
    (
        "W004",  # two that overlap, each in its own time zone
        {
            "QUIET_HOURS": {
                "a": {"HOURS": "Sat 20:00-24:00", "CHANNELS": "slack", "TZ": "Europe/Berlin"},
                "b": {"HOURS": "Sun 07:00-08:00", "CHANNELS": "oncall", "TZ": "Asia/Tokyo"},
            }
        },
        '["QUIET_HOURS"]',
        "on Sun at 07:00 JST: all that ring are quiet (a, b)",
    ),
    ("W005", {"LIMITS": {"oncall": {"RATES": []}}}, '["LIMITS"]["oncall"]', "SMS without any limit"),
    (
        "W006",
        {"CHANNELS": CHANNELS | {"slack": SLACK | {"FAILOVER": "team"}, "team": TEAM | {"FAILOVER": "slack"}}},
        '["CHANNELS"]["slack"]["FAILOVER"]',
        "slack -> team -> slack",
    ),
    (
        "W006",
        {
            "LIMITS": {
                name: {"MESSAGES_PER_DAY": 9, "OVERFLOW": to} for name, to in [("slack", "team"), ("team", "slack")]
            }
        },
        '["LIMITS"]["slack"]["OVERFLOW"]',
        "slack -> team -> slack",
    ),
    ("W004", {"CLASSIFY": [{"ignore": True}]}, '["CLASSIFY"][0]', 'rule "CLASSIFY[0]" ignores every failure'),
    # exceptions that cannot come
    *(
        ("W016", {"CLASSIFY": [{"match": {"exception": name}, "severity": "info"}]}, EXCEPTION_AT, hint)
        for name, hint in [
            ("stripe.CardErorr", 'no exception "stripe.CardErorr" here. Write the path by which it is imported.'),
            ("KeyErorr", 'Did you mean "KeyError"?'),
            ("CardError", "written with its module"),
            ("no_such_package.Error", "Its module is not installed here."),
            ("decimal.Decimal", "It is no class of exceptions."),
            ("django.contrib.auth.models.User.DoesNotExists", 'Did you mean "DoesNotExist"?'),
        ]
    ),
    ("W007", {"DIGESTS": {"d": {"TO": ["team", "oncall"]}}}, '["DIGESTS"]["d"]["TO"][1]', "not fit into an SMS"),
    ("W008", {"EXPECT": {"payments": "6h"}}, '["EXPECT"]["payments"]', "not the name of an event type"),
    ("W008", {"EXPECT": {"invoice.*": "6h"}}, '["EXPECT"]["invoice.*"]', "not the name of an event type"),
    ("W013", channel(OPTIONS={"signing_secret": "made-up"}), '["CHANNELS"]["slack"]', "nobody may press one"),
    ("W011", {"LIMITS": {"oncall": {"OVERFLOW": "slack"}}}, '["LIMITS"]["oncall"]', "OVERFLOW is never used"),
    ("W011", {"DIGESTS": {"d": {"TO": "team", "WEEKDAY": "tue"}}}, '["DIGESTS"]["d"]["WEEKDAY"]', "EVERY week"),
]


@pytest.mark.parametrize(("id_", "changes", "place", "fragment"), DOUBTS)
def test_what_is_surely_not_meant_is_a_warning(id_: str, changes: dict[str, Any], place: str, fragment: str) -> None:
    policy, found = parse(BASE | changes, CREDENTIALS.get)
    assert policy is not None
    of_kind = [problem for problem in found if problem.id == id_]
    assert [(problem.level, problem.path) for problem in of_kind] == [("warning", f"NOTIFIER{place}")]
    assert fragment in str(of_kind[0])


@pytest.mark.parametrize(
    "changes",
    [
        # the earlier one goes on
        routes(
            {"match": {"event": "invoice.*"}, "to": "team", "continue": True},
            {"match": {"event": "invoice.paid"}, **ALL},
            ALL,
        ),
        # critical alerts ring by the second of two
        routes({"to": "team", "continue": True}, {"to": ["slack", "oncall"]}),
        # the earlier one waits longer, so first attempts reach the later one
        routes({"after_attempts": 3, **ALL}, {"to": "slack"}),
        # narrower first
        routes(
            {"match": {"event": "invoice.paid"}, "to": "team"}, {"match": {"event": "invoice.*"}, "to": "team"}, ALL
        ),
        # a severity is left
        routes({"match": {"severity": ">=error"}, **ALL}, {"to": "slack"}),
        # it cannot be seen from the patterns that one covers the other
        routes(
            {"match": {"event": "?nvoice.paid"}, "to": "team"},
            {"match": {"event": "[ij]nvoice.paid"}, "to": "team"},
            ALL,
        ),
        # "*" beside rows for all severities, for nobody
        {"ROUTES": {"critical": ALL["to"], "error": "slack", "warning": "slack", "info": [], "*": []}},
        # used as a failover, or as an overflow
        channel("spare", **SLACK) | {"LIMITS": {"oncall": {"MESSAGES_PER_DAY": 5, "OVERFLOW": "spare"}}},
        {"CHANNELS": CHANNELS | {"spare": SLACK, "oncall": ONCALL | {"FAILOVER": "spare"}}},
        # a chain that ends
        {"CHANNELS": CHANNELS | {"oncall": ONCALL | {"FAILOVER": "slack"}, "slack": SLACK | {"FAILOVER": "team"}}},
        # a reminder exactly as often as news
        route(repeat="5m"),
        # one of two is quiet, or both at different times, or both but for critical alerts
        {"QUIET_HOURS": {"n": NIGHTS | {"CHANNELS": "slack"}}},
        {
            "QUIET_HOURS": {
                "a": {"HOURS": "Mon-Fri 22:00-24:00", "CHANNELS": "slack"},
                "b": {"HOURS": "00:00-07:00", "CHANNELS": "oncall"},
            }
        },
        {"QUIET_HOURS": {"n": NIGHTS | {"UNLESS": "critical"}}},
        # no rates but a budget
        {"LIMITS": {"oncall": {"RATES": [], "MESSAGES_PER_DAY": 50}}},
        # a class of a model, the old path of a class, a path past a private module
        *(
            {"CLASSIFY": [{"match": {"exception": name}, "severity": "info"}]}
            for name in (
                "django.contrib.auth.models.User.DoesNotExist",
                "stripe.error.CardError",
                "stripe._error.CardError",
                "requests.ConnectionError",
                "builtins.KeyError",
            )
        ),
        # a glob of a type that Stripe does not have (yet)
        route(match={"event": "new_thing.*"}) | {"ROUTES": [{"match": {"event": "new_thing.*"}, "to": "team"}, ALL]},
    ],
)
def test_what_may_well_be_meant_is_no_warning(changes: dict[str, Any]) -> None:
    assert problems(changes) == []


WEBHOOKS: dict[str, Any] = {"ENDPOINTS": {"default": {}, "connect_eu": {}}}


@pytest.mark.parametrize(
    ("endpoint", "of_the_site", "said"),
    [
        ("connect", {"WEBHOOKS": WEBHOOKS}, 'WEBHOOKS["ENDPOINTS"] has no "connect". Did you mean "connect_eu"?'),
        ("connect_eu", {"WEBHOOKS": WEBHOOKS}, ""),
        ("connect_*", {"WEBHOOKS": WEBHOOKS}, ""),
        ("", {"WEBHOOKS": WEBHOOKS}, ""),
        ("connect", {}, ""),
        ("connect", {"WEBHOOKS": WEBHOOKS, "INSTALLED_APPS": ["djstripe"]}, ""),  # whose endpoints are rows
    ],
)
def test_an_endpoint_that_the_site_has_not_is_a_warning(endpoint: str, of_the_site: dict[str, Any], said: str) -> None:
    table = BASE | routes({"match": {"endpoint": endpoint}, "to": "slack"}, ALL)
    found = parse(table, (CREDENTIALS | of_the_site).get)[1]
    assert [problem.path for problem in found] == (['NOTIFIER["ROUTES"][0]["match"]["endpoint"]'] if said else [])
    assert all(said in str(problem) for problem in found)


def test_a_mistake_in_the_defaults_is_said_once() -> None:
    assert [problem.id for problem in problems({"DEFAULTS": {"repeat": "1m"}})] == ["W003"]


# --- which matcher takes what another would -----------------------------------------------------------------------

DATABASE, NETWORK = Category.DATABASE, Category.NETWORK


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (Matcher(), Matcher(), True),
        (Matcher(), Matcher(events=("a",), livemode=True, context={"k": "v"}), True),
        (Matcher(categories=(DATABASE, NETWORK)), Matcher(categories=(DATABASE,)), True),
        (Matcher(categories=(DATABASE,)), Matcher(categories=(DATABASE, NETWORK)), False),
        (Matcher(categories=(DATABASE,)), Matcher(), False),
        (Matcher(sources=("watch.*",)), Matcher(sources=("watch.backlog",)), True),
        (Matcher(sources=("watch.*",)), Matcher(sources=("webhook",)), False),
        (Matcher(events=("*",)), Matcher(), True),
        (Matcher(events=("a.*", "b.*")), Matcher(events=("b.c", "a.*")), True),
        (Matcher(events=("a.*",)), Matcher(events=("b.c", "a.*")), False),
        (Matcher(exceptions=("builtins.KeyError",)), Matcher(exceptions=("KeyError",)), True),
        (Matcher(exceptions=("KeyError",)), Matcher(exceptions=("IndexError",)), False),
        (Matcher(exceptions=("KeyError",)), Matcher(), False),
        (Matcher(livemode=True), Matcher(livemode=True), True),
        (Matcher(livemode=True), Matcher(livemode=False), False),
        (Matcher(livemode=False), Matcher(), False),
        (Matcher(endpoints=("c*",)), Matcher(endpoints=("connect",)), True),
        (Matcher(endpoints=("c*",)), Matcher(endpoints=("default",)), False),
        (Matcher(accounts=("acct_1",)), Matcher(accounts=("acct_1",)), True),
        (Matcher(accounts=("acct_1",)), Matcher(accounts=("acct_*",)), False),
        (Matcher(min_amounts={"eur": 5, "usd": 5}), Matcher(min_amounts={"eur": 5}), True),
        (Matcher(min_amounts={"eur": 5}), Matcher(min_amounts={"eur": 4}), False),
        (Matcher(min_amounts={"eur": 5}), Matcher(min_amounts={"eur": 6, "usd": 6}), False),
        (Matcher(min_amounts={"eur": 0}), Matcher(), False),  # there may be no money at all
        (Matcher(min_attempt=2), Matcher(min_attempt=2), True),
        (Matcher(min_attempt=3), Matcher(min_attempt=2), False),
        (Matcher(min_attempt=1), Matcher(), True),
        (Matcher(context={"k": "a*"}), Matcher(context={"k": "ab", "l": "c"}), True),
        (Matcher(context={"k": "*"}), Matcher(), True),
        (Matcher(context={"k": "a*"}), Matcher(context={"k": "b"}), False),
        (Matcher(context={"k": "a*"}), Matcher(context={"l": "a"}), False),
        (Matcher(fingerprints=("a", "b")), Matcher(fingerprints=("a",)), True),
        (Matcher(fingerprints=("a",)), Matcher(fingerprints=("b",)), False),
        (Matcher(fingerprints=("a",)), Matcher(), False),
    ],
)
def test_a_matcher_covers_another(wide: Matcher, narrow: Matcher, covered: bool) -> None:
    assert covers(wide, narrow) is covered


def test_a_glob_that_covers_another_matches_whatever_the_other_matches() -> None:
    globs = [*("".join(chars) for size in range(4) for chars in product("a*?", repeat=size)), "[!b]", "[ab]*"]
    words = ["".join(chars) for size in range(4) for chars in product("ab", repeat=size)]
    matched = {glob: {word for word in words if fnmatchcase(word, glob)} for glob in globs}
    pairs = list(product(globs, repeat=2))
    said = [(wide, narrow) for wide, narrow in pairs if covers(Matcher(events=(wide,)), Matcher(events=(narrow,)))]
    assert [(wide, narrow) for wide, narrow in said if not matched[wide] >= matched[narrow]] == []
    assert len(said) > len(globs)


def test_the_severities_of_a_matcher_are_those_that_match() -> None:
    for least, first, second in product([None, *Severity], repeat=3):
        listed = tuple(one for one in (first, second) if one is not None)
        matcher = Matcher(min_severity=least, severities=listed)
        found = {severity for severity in Severity if matches(matcher, Subject(severity, Category.CODE))}
        assert severities_of(matcher) == found


# --- manage.py check ----------------------------------------------------------------------------------------------


def test_the_checks_say_what_is_wrong_where_and_what_to_do(settings: Settings) -> None:
    settings.NOTIFIER = BASE | {"RETENTION": "soon", "TZ": "Berlin"}
    messages = check_notifier()
    assert [message.id for message in messages if message.level == checks.ERROR][:2] == [
        "notifier.E002",
        "notifier.E003",
    ]
    assert messages[0].msg == 'NOTIFIER["TZ"]: there is no time zone "Berlin".'
    assert messages[0].hint == 'Did you mean "Europe/Berlin"?'


def test_a_doubt_is_a_warning_that_does_not_fail_a_deployment(settings: Settings) -> None:
    settings.NOTIFIER = {"CHANNELS": {"m": {"BACKEND": "memory"}}, "ROUTES": {"*": "m"}}
    (message,) = check_notifier()
    assert (message.level, message.id) == (checks.WARNING, "notifier.W004")


PRODUCTION: list[tuple[str, dict[str, Any], list[tuple[str, str, str]]]] = [
    (
        "nothing is set",
        {},
        [
            ("slack", "E005", "Set SLACK_BOT_TOKEN, or remove the channel"),
            ("oncall", "W010", "Set ONCALL_NUMBERS, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM, or remove"),
            ("team", "W010", "Set ALERT_EMAIL_TO, EMAIL_BACKEND, or remove"),
        ],
    ),
    (
        "Slack only: no error, and a line for each channel that is not used",
        {"SLACK_BOT_TOKEN": "xoxb-made-up"},
        [("oncall", "W010", "or remove the channel"), ("team", "W010", "or remove the channel")],
    ),
    (
        "somebody to tell and no credentials",
        {"SLACK_BOT_TOKEN": "xoxb-made-up", "oncall": "+14155552671", "team": "team@example.com"},
        [("oncall", "E005", "Set TWILIO_ACCOUNT_SID"), ("team", "E005", "Set EMAIL_BACKEND, or remove")],
    ),
    (
        "credentials and nobody to tell",
        CREDENTIALS,
        [("oncall", "E006", "Set ONCALL_NUMBERS"), ("team", "E006", "Set ALERT_EMAIL_TO")],
    ),
    (
        "everything",
        {**CREDENTIALS, "oncall": "+14155552671", "team": "team@example.com"},
        [],
    ),
]


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in PRODUCTION], ids=[row[0] for row in PRODUCTION])
def test_the_settings_as_they_come_in_production(
    settings: Settings, given: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    settings.DEBUG = settings.DEMO = False
    settings.DEFAULT_FROM_EMAIL = CREDENTIALS["DEFAULT_FROM_EMAIL"]
    for name in CREDENTIALS.keys() - {"DEFAULT_FROM_EMAIL"}:
        setattr(settings, "EMAIL_BACKEND_PATH" if name == "EMAIL_BACKEND" else name, given.get(name, ""))
    table = BASE | {
        "CHANNELS": {
            "slack": SLACK,
            "oncall": ONCALL | {"TO": [given["oncall"]] if "oncall" in given else []},
            "team": TEAM | {"TO": [given["team"]] if "team" in given else []},
        }
    }
    settings.NOTIFIER = table
    messages = check_notifier()
    assert [(message.msg.split('"')[3], message.id) for message in messages] == [
        (alias, f"notifier.{id_}") for alias, id_, _ in expected
    ]
    for message, (_, _, fragment) in zip(messages, expected, strict=True):
        assert fragment in (message.hint or "")


def test_under_debug_twins_are_one_warning(settings: Settings) -> None:
    settings.DEBUG = True
    for name in CREDENTIALS:
        setattr(settings, name, "")
    messages = check_notifier()
    assert [message.id for message in messages] == ["notifier.W009"]
    assert "messages are printed here instead of being sent: slack (SLACK_BOT_TOKEN not set)" in messages[0].msg
