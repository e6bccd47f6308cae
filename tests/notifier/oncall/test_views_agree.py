"""Who is on call is one answer: whoever is paged is whom every view, feed, command, page and Slack name."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.test import Client

from notifier.answers import duty, slack_home
from notifier.config.conf import get_policy
from notifier.feeds.calendar import feed
from notifier.oncall import handovers, overrides
from notifier.oncall.duty import person_now
from notifier.oncall.present import policy_now
from tests.notifier.conftest import Configure
from tests.notifier.oncall.rotations import utc
from tests.notifier.oncall.test_calendar_feed import events
from tests.notifier.oncall.test_on_call_hears import PEOPLE, site
from tests.notifier.pages.conftest import a_client

pytestmark = pytest.mark.django_db

# Six weeks over the end of summer time in Berlin, weekly, with an evening layer on top and a week without anybody.
WEEKLY = {
    "TZ": "Europe/Berlin",
    "LAYERS": [
        {"HANDOVER": "Mon 09:00", "START": "2026-10-05", "MEMBERS": ["alice", "bob", None]},
        {"HANDOVER": "Mon 18:00", "START": "2026-10-05", "MEMBERS": ["carol"], "HOURS": "Sat,Sun 18:00-24:00"},
    ],
}
BEGIN = utc("2026-10-05 07:00")


@pytest.fixture
def reader(configure: Configure) -> Client:
    people = {name: one | {"NAME": name.title()} for name, one in PEOPLE.items()}
    configure(**site(people=people, oncall={"payments": WEEKLY}, tz="Europe/Berlin"))
    policy = get_policy()
    for start, end, who in (
        ("2026-10-08 12:00", "2026-10-10 12:00", "bob"),
        ("2026-10-24 22:00", "2026-10-25 03:30", "alice"),  # over the hour that there is twice
        ("2026-10-25 02:00", "2026-10-25 20:00", "carol"),
    ):
        overrides.take(
            policy.rotations["payments"],
            policy.people[who],
            start=utc(start),
            end=utc(end),
            author=who,
            now=BEGIN - timedelta(hours=1),
        )
    return a_client("Alerts: view")


def named(now: datetime, reader: Client) -> dict[str, str]:
    """Whom each view names at this moment; "nobody" for nobody."""
    policy = get_policy()
    rotation = policy.rotations["payments"]
    out = StringIO()
    call_command("oncall", "payments", stdout=out)
    said = duty.on_call(policy, now).removeprefix("payments: ")
    home = json.dumps(slack_home.blocks(policy, now, ""))
    calendar = [str(one["SUMMARY"]) for one in events(feed(rotation, "", policy, now)) if _covers(one, now)]
    [turn] = reader.get("/alerts/oncall/").context["turns"]
    paged = [target.person for target in policy_now(now).channels["page"].targets if target.person]
    return {
        "routing": paged[0].title() if paged else "nobody",
        "user group": (person_now(rotation, now) or "nobody").title().replace("Nobody", "nobody"),
        "command": out.getvalue().removeprefix("payments: ").partition(" is on call")[0],
        "SMS and /alerts": said.partition(" until")[0].rstrip("."),
        "Home tab": home.partition("payments: ")[2].partition(" until")[0].partition(".")[0],
        "page": turn.who,
        "feed": calendar[0].partition(" is on call")[0] if calendar else "nobody",
    }


def _covers(event: dict[str, object], now: datetime) -> bool:
    begin, end = (event[name].dt.timestamp() for name in ("DTSTART", "DTEND"))  # type: ignore[attr-defined]  # a date
    return bool(begin <= now.timestamp() < end)


@pytest.mark.parametrize("written_down", [False, True], ids=["as reckoned", "with its handovers written down"])
def test_every_view_names_whom_routing_pages(reader: Client, *, written_down: bool) -> None:
    seen = set()
    moments = [BEGIN + timedelta(hours=61 * number) for number in range(13)]
    moments += [utc("2026-10-08 12:00"), utc("2026-10-10 12:00"), utc("2026-10-25 00:30"), utc("2026-10-25 01:30")]
    for now in sorted(moments):
        with time_machine.travel(now, tick=False):
            if written_down:
                handovers.record(get_policy(), now)
            found = named(now, reader)
        assert set(found.values()) == {found["routing"]}, now
        seen.add(found["routing"])
    assert seen == {"Alice", "Bob", "Carol", "nobody"}
