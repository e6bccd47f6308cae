"""Silences, the log, the routing table with its dry run and tests, on call, digests."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from notifier.channels import memory
from notifier.facts import DeliveryError, Result
from notifier.models import Alert, Attempt, Digest, Ignored, LogEntry, Notification, Override, Silence
from tests.notifier.conftest import Configure
from tests.notifier.pages.conftest import queries
from tests.notifier.rows import NOON, a_target, an_alert
from tests.notifier.scene import BUG, HOUR, Scene

pytestmark = pytest.mark.django_db
SILENCES, ROUTING = "/alerts/silences/", "/alerts/routing/"
FILLED = {"event": "invoice.paid", "livemode": "live", "for": "2h", "comment": "the ledger is moved"}
PEOPLE = {"ada": {"NAME": "Ada"}, "bob": {"NAME": "Bob"}}


def _text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def _page(client: Client, path: str) -> str:
    return _text(client.get(path).content.decode())


def _post(client: Client, path: str, **data: str) -> str:
    return _text(client.post(path, data, follow=True).content.decode())


@pytest.mark.parametrize("path", [SILENCES, "/alerts/log/", ROUTING, "/alerts/oncall/", "/alerts/digests/"])
def test_each_page_says_in_words_that_it_is_empty(looker: Client, path: str, configure: Configure) -> None:
    configure()
    page = looker.get(path)
    assert page.status_code == 200
    assert "default-src 'none'" in page["Content-Security-Policy"]
    assert 'class="empty"' in page.content.decode() or path == ROUTING


def test_a_silence_is_filled_in_from_an_alert_with_how_many_it_holds(actor: Client) -> None:
    alert = an_alert(exceptions=["KeyError"], category="code")
    an_alert(exceptions=["KeyError"], category="code", fingerprint="the same in another function")
    page = actor.get(f"{SILENCES}?alert={alert.pk}").content.decode()
    assert f'value="{alert.fingerprint}"' in page
    assert "It holds 1 alert that is open now" in _text(page)


def test_a_silence_begins_holds_and_ends(actor: Client, scene: Scene) -> None:
    assert "begins" in _post(actor, f"{SILENCES}new/", **FILLED)
    row = Silence.objects.get()
    assert row.author == "act"
    assert row.matcher == {"event": "invoice.paid", "livemode": True}
    assert timedelta(hours=1, minutes=59) < row.ends_at - timezone.now() <= timedelta(hours=2)
    assert "the ledger is moved" in _page(actor, SILENCES)
    assert "ended; 0 held" in _post(actor, f"{SILENCES}{row.pk}/end/")
    assert "over already" in _post(actor, f"{SILENCES}{row.pk}/end/")


@pytest.mark.parametrize(
    "change",
    [
        {"event": "", "livemode": ""},
        {"for": "soon"},
        {"for": "99999999d"},
        {"comment": ""},
        {"exception": "no class!"},
        {"event": "", "livemode": "", "severity": "odd"},
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(actor: Client, change: dict[str, str]) -> None:
    answer = actor.post(f"{SILENCES}new/", FILLED | change)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert 'role="alert"' in page
    assert change.get("for", "2h") in page
    assert not Silence.objects.exists()


def test_who_may_only_look_silences_ignores_and_takes_nothing(looker: Client, configure: Configure) -> None:
    configure()
    row = Silence.objects.create(
        matcher={"event": "x"}, starts_at=NOON, ends_at=timezone.now() + HOUR, author="a", comment="c", created_at=NOON
    )
    for path in (f"{SILENCES}new/", f"{SILENCES}{row.pk}/end/", "/alerts/oncall/take/", f"{ROUTING}test/"):
        assert looker.post(path, FILLED).status_code == 403
    assert "Silence something" not in _page(looker, SILENCES)
    row.refresh_from_db()
    assert row.ends_at > timezone.now()


def test_a_kind_is_ignored_on_its_page_and_told_again_here(actor: Client, scene: Scene) -> None:
    alert = scene.alert(exceptions=BUG)
    _post(actor, f"/alerts/{alert.pk}/ignore/", text="known, mended next week")
    assert "Ignored until its code changes" in _page(actor, f"/alerts/{alert.pk}/")
    assert "known, mended next week" in _page(actor, SILENCES)
    row = Ignored.objects.get()
    assert "told again" in _post(actor, f"/alerts/ignored/{row.pk}/end/")
    assert "No kind of alert is ignored" in _page(actor, SILENCES)


def test_the_log_names_who_did_what_and_what_changed_nothing(actor: Client, paid: Alert) -> None:
    _post(actor, f"/alerts/{paid.pk}/resolve/")
    _post(actor, f"/alerts/{paid.pk}/resolve/")
    page = _page(actor, "/alerts/log/")
    assert "act resolved it on its page" in page
    assert "nothing changed" in page
    assert "Nobody of that name" in _page(actor, "/alerts/log/?who=eve")


def test_the_log_is_paged_with_as_many_questions(looker: Client, paid: Alert) -> None:
    counts = []
    for number in range(60):
        LogEntry.objects.create(
            alert=paid, at=NOON, who=f"p{number}", through="page", verb="comment", changed=True, news=False, outcome=""
        )
        if number in (0, 59):
            counts.append(queries(looker, "/alerts/log/"))
    assert counts[0] == counts[1]
    first = looker.get("/alerts/log/")
    assert "p0 commented" in _page(looker, f"/alerts/log/?before={first.context['more']}")


def test_the_routing_table_is_drawn_in_words(looker: Client, configure: Configure) -> None:
    configure(
        channels={
            "chat": {"BACKEND": "memory"},
            "boss": {"BACKEND": "memory", "TO": ["+15005550006"], "FAILOVER": "chat"},
        },
        routes=[
            {"name": "page", "match": {"severity": ">=error", "event": "invoice.*"}, "to": ["boss"], "repeat": "4h"},
            {"name": "rest", "to": ["chat"]},
        ],
    )
    page = _page(looker, ROUTING)
    assert "1. page severity error or worse event invoice.*" in page
    assert "a reminder every 4 h until somebody has it" in page
    assert "2. rest everything" in page
    assert "goes to chat" in page
    assert "+15005550006" not in page


def test_a_dry_run_says_who_would_hear_what_and_leaves_nothing(looker: Client, configure: Configure) -> None:
    configure()
    page = _post(looker, f"{ROUTING}try/", event="invoice.paid", exception="KeyError", attempt="1", mode="live")
    assert "takes it" in page
    assert "invoice.paid cannot be processed" in page
    assert not Alert.objects.exists()
    assert not Notification.objects.exists()
    assert memory.outbox == []


@pytest.mark.parametrize(
    "asked",
    [
        {"event": "", "exception": "KeyError"},
        {"event": "invoice.paid", "exception": "json.dumps"},
        {"event": "invoice.paid", "exception": "KeyError", "attempt": "x"},
    ],
)
def test_a_dry_run_of_something_odd_says_what_is_odd(
    looker: Client, configure: Configure, asked: dict[str, str]
) -> None:
    configure()
    answer = looker.post(f"{ROUTING}try/", asked)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()


def test_a_dry_run_is_filled_in_from_an_alert(looker: Client, paid: Alert) -> None:
    assert 'value="django.db.utils.OperationalError"' in looker.get(f"{ROUTING}?alert={paid.pk}").content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_test_message_shows_what_the_provider_answers(keeper: Client, configure: Configure) -> None:
    configure()
    assert "delivered (memory-1)" in _post(keeper, f"{ROUTING}test/", channel="chat")
    memory.fail_next(DeliveryError(Result.REJECTED, "invalid_auth", "the token is not valid"))
    assert "invalid_auth" in _post(keeper, f"{ROUTING}test/", channel="chat")
    assert "delivered (memory-2)" in _post(keeper, f"{ROUTING}test/")
    assert keeper.post(f"{ROUTING}test/", {"channel": "chatt"}).status_code == 404


def _with_a_rotation(configure: Configure) -> None:
    configure(
        channels={"chat": {"BACKEND": "memory"}},
        people=PEOPLE,
        oncall={"payments": {"MEMBERS": ["ada", "bob"], "START": "2026-01-05", "HANDOVER": "Mon 09:00"}},
    )


def test_who_is_on_call_now_and_next_and_taken_over_and_undone(actor: Client, configure: Configure) -> None:
    _with_a_rotation(configure)
    page = _page(actor, "/alerts/oncall/")
    assert "The next four weeks" in page
    assert "Ada" in page
    assert "On call, payments" in _page(actor, "/alerts/")
    end = f"{timezone.now() + timedelta(hours=3):%Y-%m-%dT%H:%M}"
    assert "is on call for payments" in _post(actor, "/alerts/oncall/take/", rotation="payments", person="bob", end=end)
    row = Override.objects.get()
    assert "Taken over" in _page(actor, "/alerts/oncall/")
    assert "Undone by act" in _post(actor, f"/alerts/oncall/{row.pk}/undo/")
    assert "was undone by act already" in _post(actor, f"/alerts/oncall/{row.pk}/undo/")
    answer = actor.post("/alerts/oncall/take/", {"rotation": "payments", "person": "bob", "end": "2020-01-01T00:00"})
    assert "ends in the past" in answer.content.decode()


def test_sent_digests_are_read_again(looker: Client) -> None:
    row = Digest.objects.create(
        name="daily", target=a_target(), starts_at=NOON, ends_at=NOON + HOUR, sent_at=NOON + HOUR
    )
    Attempt.objects.create(
        target=row.target,
        token="",
        reference="ab12",
        reason="digest",
        text="All quiet.",
        started_at=NOON,
        digest_of=row,
    )
    assert "daily" in _page(looker, "/alerts/digests/")
    assert "All quiet." in _page(looker, f"/alerts/digests/{row.pk}/")
    assert looker.get("/alerts/digests/99/").status_code == 404


def test_a_replay_is_rehearsed_and_replayed_from_the_page(actor: Client, scene: Scene) -> None:
    alert = scene.alert(event_id="evt_gone")
    assert "1 not stored here" in _post(actor, f"/alerts/{alert.pk}/rehearse/")
    assert "nothing to replay" in _post(actor, f"/alerts/{alert.pk}/replay/")
