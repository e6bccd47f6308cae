"""One alert's page: the story, the buttons, and what is exported."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from notifier.config.conf import get_policy
from notifier.flow import pipeline, silences, stepping
from notifier.models import Alert, LogEntry
from tests.notifier.conftest import Configure
from tests.notifier.pages.conftest import a_client, queries
from tests.notifier.rows import a_notification, an_alert, failures
from tests.notifier.scene import BUG, HOUR, MINUTE, Scene

pytestmark = pytest.mark.django_db
MOST_QUERIES = 28
STACK = """  File "/srv/shop/billing/handlers.py", line 84, in record_payment
    ledger.insert(event)
  File "/srv/venv/lib/python3.12/site-packages/psycopg/cursor.py", line 97, in execute
    raise ex
psycopg.OperationalError"""


def _text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.replace("<wbr>", "")))


def _page(client: Client, alert: Alert, query: str = "") -> str:
    return _text(client.get(f"/alerts/{alert.pk}/{query}").content.decode())


def test_what_is_at_stake_what_to_do_and_whom_it_concerns(looker: Client, paid: Alert) -> None:
    page = _page(looker, paid)
    assert "invoice.paid cannot be processed: database unavailable" in page
    assert "EUR 1,300.00 at risk · 2 customers · 2 events (3 failures)" in page
    assert "Nobody has it." in page
    assert "Do: Check the database first." in page
    assert "billing/handlers.py:84" in page
    for known in ("evt_1", "evt_2", "cus_1", "in_2", "failed 2 times"):
        assert known in page


def test_own_lines_stand_before_those_of_libraries(looker: Client) -> None:
    alert = an_alert(traceback=STACK)
    answer = looker.get(f"/alerts/{alert.pk}/")
    assert [frame.file for frame in answer.context["own"]] == ["shop/billing/handlers.py"]
    assert [frame.file for frame in answer.context["foreign"]] == ["psycopg/cursor.py"]
    assert "1 line of libraries" in _text(answer.content.decode())


def test_the_time_line_tells_messages_holds_and_answers(actor: Client, scene: Scene) -> None:
    alert = scene.alert(exceptions=BUG)
    scene.deliver()
    actor.post(f"/alerts/{alert.pk}/acknowledge/", {"for": "2h"})
    actor.post(f"/alerts/{alert.pk}/comment/", {"text": "the plan was deleted"})
    page = _page(actor, alert)
    assert "First failure" in page
    assert "The first message to chat taken by the provider" in page
    assert "acknowledged it on its page, until" in page
    assert "the plan was deleted" in page
    assert page.index("the plan was deleted") < page.index("First failure")


def test_the_time_line_tells_what_held_messages_and_when_that_ended(looker: Client, scene: Scene) -> None:
    row = silences.silence({"event": "invoice.*"}, until=scene.now + HOUR, author="ada", comment="", now=scene.now)
    alert = scene.alert(exceptions=BUG)
    scene.deliver()
    looker.cookies["alerts_zone"] = "UTC"
    page = _page(looker, alert)
    assert re.search(rf"12:00 UTC Not told: chat held by silence {row.pk}", page)
    assert "No longer held" not in page
    scene.pass_time(2 * HOUR)
    page = _page(looker, alert)
    assert re.search(rf"13:00 UTC No longer held: chat it had been held by silence {row.pk}", page)
    assert re.search(rf"12:00 UTC Not told: chat held by silence {row.pk}", page)
    assert page.index("No longer held") < page.index("Not told")


def test_one_hold_gives_way_to_another_and_ends_with_the_alert(looker: Client, scene: Scene) -> None:
    alert = scene.alert(exceptions=BUG)
    scene.deliver()
    pipeline.acknowledge(alert, "ada", scene.now, scene.now + 3 * HOUR)
    scene.clock.step(HOUR)
    scene.fail(exceptions=BUG)
    scene.pass_time(HOUR)
    held = _page(looker, alert)
    assert re.search(r"Not told: chat held because it was acknowledged", held)
    pipeline.resolve(alert, "by ada", scene.now)
    scene.deliver()
    assert re.search(r"No longer held: chat it had been held because it was acknowledged", _page(looker, alert))


def test_a_page_of_an_escalation_is_in_the_time_line(looker: Client, scene: Scene, configure: Configure) -> None:
    configure(
        channels={name: {"BACKEND": "memory", "TO": [name]} for name in ("chat", "boss")},
        routes=[{"name": "all", "match": {}, "to": ["chat"], "escalate": [{"after": "15m", "to": ["boss"]}]}],
    )
    alert = scene.alert(exceptions=BUG)
    scene.deliver()
    scene.clock.step(16 * MINUTE)
    stepping.take_due(get_policy(), scene.now)
    scene.deliver()
    assert "A page, since nobody has it, to boss" in _page(looker, alert)


def test_what_several_heard_in_the_same_minute_is_one_entry(looker: Client, scene: Scene, configure: Configure) -> None:
    configure(
        channels={name: {"BACKEND": "memory", "TO": [name]} for name in ("chat", "phone", "mail")},
        routes={"*": ["chat", "phone", "mail"]},
    )
    alert = scene.alert(exceptions=BUG)
    scene.deliver()
    page = _page(looker, alert)
    assert page.count("The first message to ") == 1
    for name in ("chat", "phone", "mail"):
        assert name in page


def test_events_are_searched_and_paged_each_one_once(looker: Client) -> None:
    alert = an_alert()
    failures(alert, *({"event_id": f"evt_{number // 2:03}", "customer": f"cus_{number // 2}"} for number in range(80)))
    ids, start = list[str](), ""
    for _ in range(3):
        page = looker.get(f"/alerts/{alert.pk}/?from={start}")
        ids += [row.occurrence.event_id for row in page.context["rows"]]
        start = page.context["more"]
    assert ids == [f"evt_{number:03}" for number in range(39, -1, -1)]
    assert start == ""
    assert [row.occurrence.event_id for row in looker.get(f"/alerts/{alert.pk}/?find=cus_7").context["rows"]] == [
        "evt_007"
    ]
    assert "Write the whole id" in _page(looker, alert, "?find=cus_99")


def test_it_asks_as_much_for_a_storm_as_for_one_failure(looker: Client) -> None:
    counts = []
    for alert, number in ((an_alert(), 2), (an_alert(), 60)):
        failures(alert, *({"event_id": f"evt_{alert.pk}_{one}", "customer": f"cus_{one}"} for one in range(number)))
        for one in range(number // 5 + 1):
            a_notification(alert, f"slack:#{one}")
        counts.append(queries(looker, f"/alerts/{alert.pk}/"))
    assert counts[0] == counts[1] <= MOST_QUERIES


def test_the_same_kind_before_is_named(looker: Client, paid: Alert) -> None:
    before = an_alert(fingerprint=paid.fingerprint, resolved_at=timezone.now(), resolved_how="by ada")
    page = _page(looker, paid)
    assert f"alert {before.pk}" in page
    assert "by ada" in page


def test_acknowledging_says_who_has_it_and_until_when_and_can_be_taken_back(actor: Client, paid: Alert) -> None:
    page = _text(actor.post(f"/alerts/{paid.pk}/acknowledge/", {"for": "4h"}, follow=True).content.decode())
    assert f"Alert {paid.pk}: acknowledged until" in page
    assert "act has it until" in page
    paid.refresh_from_db()
    assert paid.acknowledged_until is not None
    assert timedelta(hours=3, minutes=59) < paid.acknowledged_until - timezone.now() <= timedelta(hours=4)
    actor.post(f"/alerts/{paid.pk}/take_back/")
    assert "Nobody has it." in _page(actor, paid)


def test_two_who_act_at_once_get_one_effect_and_a_sentence_each(actor: Client, paid: Alert) -> None:
    other = a_client("Alerts: act", name="other")
    actor.post(f"/alerts/{paid.pk}/resolve/")
    page = _text(other.post(f"/alerts/{paid.pk}/resolve/", follow=True).content.decode())
    assert "over since" in page
    assert "by act" in page
    assert LogEntry.objects.filter(changed=True).count() == 1


@pytest.mark.parametrize("wanted", ["soon", "-1h", "900000000d", "0m", "5"])
def test_an_odd_duration_changes_nothing_and_is_said(actor: Client, paid: Alert, wanted: str) -> None:
    page = _text(actor.post(f"/alerts/{paid.pk}/acknowledge/", {"for": wanted}, follow=True).content.decode())
    assert "For how long?" in page
    paid.refresh_from_db()
    assert paid.acknowledged_until is None


def test_a_button_leads_nowhere_else(actor: Client, paid: Alert) -> None:
    answer = actor.post(f"/alerts/{paid.pk}/comment/", {"text": "x", "next": "https://elsewhere.example/"})
    assert answer["Location"] == f"/alerts/{paid.pk}/"
    odd = actor.post(f"/alerts/{paid.pk}/comment/", {"text": "x", "next": "no such page"})
    assert odd["Location"] == f"/alerts/{paid.pk}/"
    assert "There is no such button" in _text(actor.post(f"/alerts/{paid.pk}/odd/", follow=True).content.decode())


def test_the_export_is_the_story_as_text(looker: Client, paid: Alert) -> None:
    answer = looker.get(f"/alerts/{paid.pk}/alert.md")
    text = answer.content.decode()
    assert answer["Content-Disposition"] == f'attachment; filename="alert-{paid.pk}.md"'
    assert text.startswith("# invoice.paid cannot be processed: database unavailable\n")
    assert "- At risk: EUR 1,300.00" in text
    assert "First failure" in text
