from __future__ import annotations

from dataclasses import replace

import pytest

from notifier.facts import Category, Recipient, Severity, Subject, Timing
from notifier.judge.match import Matcher
from notifier.judge.policy import ChannelConfig, Route
from notifier.judge.route import Routed, targets_of, try_routes

SUBJECT = Subject(severity=Severity.ERROR, category=Category.CODE, event_type="invoice.paid", livemode=True)
ANY = Matcher()
NEVER = Matcher(events=("charge.refunded",))


def channel(alias: str, *addresses: str) -> ChannelConfig:
    return ChannelConfig(alias, "memory", "memory", tuple(Recipient(alias, "memory", address) for address in addresses))


CHANNELS = {
    one.alias: one
    for one in (channel("slack", "#payments"), channel("oncall", "+491", "+492"), channel("team", "team@example.com"))
}


def chosen(subject: Subject, routes: list[Route], *, last_attempt: bool = False) -> list[str]:
    """The names of the routes that took it."""
    return [one.route.name for one in try_routes(subject, routes, last_attempt=last_attempt) if not one.why_not]


# --- Alertmanager's dispatch/route_test.go, TestRouteMatch. Its tree is a list here: children before their parent.

TREE = [
    Route("testing", Matcher(context={"owner": "team-A", "env": "testing"}), ("slack",)),
    Route("production A", Matcher(context={"owner": "team-A", "env": "production"}), ("slack",), go_on=True),
    Route("production B", Matcher(context={"owner": "team-A", "env": "produ*", "job": "*"}), ("team",)),
    Route("A", Matcher(context={"owner": "team-A"}), ("slack",)),
    Route("B or C", Matcher(context={"owner": "team-[BC]"}), ("slack",)),
    Route("testing by role, long", Matcher(context={"group_by": "role", "env": "testing", "wait": "long"}), ("team",)),
    Route("testing by role", Matcher(context={"group_by": "role", "env": "testing"}), ("team",)),
    Route("by role", Matcher(context={"group_by": "role"}), ("team",)),
    Route("default", ANY, ("team",)),
]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"owner": "team-A"}, ["A"]),
        ({"owner": "team-A", "env": "unset"}, ["A"]),
        ({"owner": "team-C"}, ["B or C"]),
        ({"owner": "team-A", "env": "testing"}, ["testing"]),
        ({"owner": "team-A", "env": "production"}, ["production A", "production B"]),
        ({"group_by": "role"}, ["by role"]),
        ({"env": "testing", "group_by": "role"}, ["testing by role"]),
        ({"env": "testing", "group_by": "role", "wait": "long"}, ["testing by role, long"]),
        # and one that its test leaves out: what nobody else takes
        ({"owner": "team-D"}, ["default"]),
    ],
    ids=str,
)
def test_alertmanagers_cases(labels: dict[str, str], expected: list[str]) -> None:
    assert chosen(replace(SUBJECT, context=labels), TREE) == expected


# --- first match, continue, order

TAKES = Route("takes", ANY, ("slack",))
GOES_ON = Route("goes on", ANY, ("slack",), go_on=True)
DOES_NOT = Route("does not", NEVER, ("slack",))
SKIPS_ON = Route("skips on", NEVER, ("slack",), go_on=True)
LAST = Route("last", ANY, ("team",))


@pytest.mark.parametrize(
    ("routes", "tried", "took"),
    [
        ([], [], []),
        ([TAKES], ["takes"], ["takes"]),
        ([DOES_NOT], ["does not"], []),
        ([TAKES, LAST], ["takes"], ["takes"]),  # the first match ends the search
        ([DOES_NOT, LAST], ["does not", "last"], ["last"]),
        ([GOES_ON, LAST], ["goes on", "last"], ["goes on", "last"]),
        ([GOES_ON, DOES_NOT, LAST], ["goes on", "does not", "last"], ["goes on", "last"]),
        ([SKIPS_ON, TAKES, LAST], ["skips on", "takes"], ["takes"]),  # `continue` of a route that took nothing
        ([GOES_ON, TAKES, LAST], ["goes on", "takes"], ["goes on", "takes"]),
        ([GOES_ON, DOES_NOT], ["goes on", "does not"], ["goes on"]),  # goes on to nothing
        ([LAST, TAKES], ["last"], ["last"]),  # a catch-all in front leaves nothing to the others
    ],
    ids=lambda value: ", ".join(one.name if isinstance(one, Route) else one for one in value) or "none",
)
def test_the_first_match_ends_the_search_unless_it_continues(
    routes: list[Route], tried: list[str], took: list[str]
) -> None:
    found = try_routes(SUBJECT, routes)
    assert [one.route.name for one in found] == tried
    assert [one.route.name for one in found if not one.why_not] == took


# --- after_attempts

PATIENT = Route("patient", ANY, ("oncall",), after_attempts=3)


@pytest.mark.parametrize(
    ("attempt", "last_attempt", "why_not"),
    [
        (1, False, "attempt 1 of the 3 it waits for"),
        (2, False, "attempt 2 of the 3 it waits for"),
        (3, False, ""),
        (4, False, ""),
        (1, True, ""),  # there will be no third one to wait for
    ],
)
def test_a_route_can_wait_for_the_nth_attempt(attempt: int, last_attempt: bool, why_not: str) -> None:
    (tried,) = try_routes(replace(SUBJECT, attempt=attempt), [PATIENT], last_attempt=last_attempt)
    assert tried.why_not == why_not


def test_a_route_that_still_waits_lets_the_search_go_on() -> None:
    assert [one.why_not for one in try_routes(SUBJECT, [PATIENT, LAST])] == ["attempt 1 of the 3 it waits for", ""]
    assert chosen(replace(SUBJECT, attempt=3), [PATIENT, LAST]) == ["patient"]


def test_the_last_attempt_does_not_make_a_route_match_what_it_does_not() -> None:
    patient = replace(PATIENT, matcher=NEVER)
    assert chosen(SUBJECT, [patient], last_attempt=True) == []


def test_why_not_names_the_question_before_the_attempt() -> None:
    (tried,) = try_routes(SUBJECT, [replace(PATIENT, matcher=Matcher(min_severity=Severity.CRITICAL))])
    assert tried.why_not == "severity is error"


# --- targets

ONCALL_1, ONCALL_2 = CHANNELS["oncall"].targets
(SLACK,) = CHANNELS["slack"].targets
(TEAM,) = CHANNELS["team"].targets


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param([Route("a", ANY, ())], [], id="a route may tell nobody"),
        pytest.param([Route("a", NEVER, ("slack",))], [], id="a route that did not match tells nobody"),
        pytest.param(
            [Route("a", ANY, ("team", "slack"))], [(TEAM, "a"), (SLACK, "a")], id="channels in the route's order"
        ),
        pytest.param(
            [Route("a", ANY, ("oncall",))], [(ONCALL_1, "a"), (ONCALL_2, "a")], id="each address of a channel"
        ),
        pytest.param(
            [Route("a", ANY, ("oncall",), go_on=True), Route("b", ANY, ("slack", "oncall"))],
            [(ONCALL_1, "a"), (ONCALL_2, "a"), (SLACK, "b")],
            id="named by two routes: told once, by the first",
        ),
        pytest.param([Route("a", ANY, ("slack", "slack"))], [(SLACK, "a")], id="named twice by one route"),
    ],
)
def test_targets(routes: list[Route], expected: list[tuple[Recipient, str]]) -> None:
    found = targets_of(try_routes(SUBJECT, routes), CHANNELS)
    assert [(one.target, one.route.name) for one in found] == expected


def test_the_first_route_of_a_target_gives_it_its_timing() -> None:
    silent = Route("first", ANY, ("slack",), timing=Timing(resolved=False), go_on=True)
    assert targets_of(try_routes(SUBJECT, [silent, TAKES]), CHANNELS) == (Routed(SLACK, silent),)


def test_one_address_on_two_channels_is_two_targets() -> None:
    channels = {"a": channel("a", "#payments"), "b": channel("b", "#payments")}
    assert len(targets_of(try_routes(SUBJECT, [Route("both", ANY, ("a", "b"))]), channels)) == 2
