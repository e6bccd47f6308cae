"""What people do by hand: the commands and the admin."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from notifier.channels import memory
from notifier.config.conf import get_policy
from notifier.facts import DeliveryError, Result
from notifier.flow import silences
from notifier.judge import throttle
from notifier.models import Alert, Attempt, Digest, LogEntry, Notification, Occurrence, Silence, Target
from notifier.outbox import set_aside
from tests.notifier.conftest import Configure
from tests.notifier.rows import a_target
from tests.notifier.scene import HOUR, MINUTE, NOON, SECOND, Scene, reasons, refused, row_of, target_row
from webhooks import samples

pytestmark = pytest.mark.django_db

TABLES = (Alert, Occurrence, Notification, Target, Attempt, Digest, Silence)
SITE: dict[str, Any] = {
    "channels": {"chat": {"BACKEND": "memory"}, "page": {"BACKEND": "memory", "TO": ["+14155552671"]}},
    "routes": [
        {"name": "wake", "match": {"severity": "critical"}, "to": ["page"], "continue": True},
        {"name": "payments", "match": {"event": "invoice.*"}, "to": ["chat"]},
    ],
    "quiet_hours": {"night": {"HOURS": "22:00-07:00", "CHANNELS": ["chat"], "UNLESS": "critical"}},
}


def run(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def site(scene: Scene, configure: Configure) -> Scene:
    configure(**SITE)
    return scene


# --- route --------------------------------------------------------------------------------------------------------


def route(*more: str, event: str = "invoice.paid", exception: str = "KeyError") -> str:
    return run("route", "--event", event, "--exception", exception, "--livemode", *more)


@pytest.mark.usefixtures("site")
def test_route_says_the_verdict_and_each_route_and_why_not() -> None:
    said = route("--at", "2026-11-23T12:00+00:00")

    assert "Verdict   error, code: a bug in the handler (KeyError)" in said
    assert "by built-in code, fingerprint " in said
    assert "wake: severity is error" in said
    assert "payments: matches" in said
    assert "To chat by route 'payments': first, 2026-11-23 12:00:00 UTC" in said
    assert "quiet: clear" in said
    assert "| Error: invoice.paid cannot be processed: a bug in the handler (KeyError)" in said


@pytest.mark.usefixtures("site")
def test_route_leaves_nothing_behind() -> None:
    route()
    route("--last")

    assert [table.objects.count() for table in TABLES] == [0] * len(TABLES)
    assert memory.outbox == []


def test_route_uses_up_no_alerts_number(site: Scene) -> None:
    before = site.alert(event_type="a").pk
    assert "| Alert 0\n" in route("--last")
    assert site.alert(event_type="b").pk == before + 1


@pytest.mark.usefixtures("site")
def test_route_at_night_says_until_when_it_is_held() -> None:
    said = route("--at", "2026-11-23T23:30:00+00:00")

    assert "quiet: hold until 2026-11-24 07:00 UTC (quiet hours night)" in said
    assert "first, 2026-11-24 07:00:00 UTC" in said


@pytest.mark.usefixtures("site")
def test_route_of_what_nothing_retries_pages() -> None:
    said = route("--last", "--at", "2026-11-23T23:30:00+00:00")

    assert "Verdict   critical" in said
    assert "wake: matches" in said
    assert "To page (+14…71) by route 'wake': first, 2026-11-23 23:30:00 UTC" in said


def test_route_says_which_open_alert_it_would_join(site: Scene) -> None:
    alert = site.alert(frame=None, exceptions=("KeyError", "LookupError", "Exception"))
    said = route("--at", "2026-11-23T12:00+00:00")

    assert f"counted on open alert {alert.pk}, as occurrence 2" in said
    alert.refresh_from_db()
    assert alert.count == 1


def test_route_links_to_no_alert_that_will_never_be(site: Scene, settings: Settings) -> None:
    settings.SITE_URL = "https://shop.example"
    assert "https://shop.example" not in route()
    alert = site.alert(frame=None, exceptions=("KeyError", "LookupError", "Exception"))
    assert f"https://shop.example/alerts/{alert.pk}/" in route()


def test_route_says_what_holds_it(site: Scene) -> None:
    silence = silences.silence({"event": "invoice.*"}, until=NOON + HOUR, author="ada", comment="", now=NOON)
    said = route("--at", "2026-11-23T12:00+00:00")

    assert f"silenced: hold until 2026-11-23 13:00 UTC (silence {silence.pk})" in said


@pytest.mark.usefixtures("site")
def test_route_reads_an_event_from_a_file(tmp_path: Path) -> None:
    event = samples.snapshot("payout.failed", livemode=True)
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event))
    said = run("route", "--event", str(file), "--exception", "ValueError")

    assert "payout.failed (live mode), ValueError, attempt 1" in said
    assert "payments: event is payout.failed" in said
    assert "Nobody would hear of it, except in a digest." in said


def test_route_says_what_a_rule_ignores(site: Scene, configure: Configure) -> None:
    configure(**SITE, classify=[{"match": {"exception": "KeyError"}, "ignore": True}])

    assert "Ignored by a CLASSIFY rule" in route()


@pytest.mark.usefixtures("site")
def test_route_prints_json() -> None:
    said = json.loads(route("--json"))

    assert said["verdict"]["category"] == "code"
    assert [heard["target"]["channel"] for heard in said["heard"]] == ["chat"]


AT_NOON = ("--at", "2026-11-23T12:00:00+00:00")  # outside of the site's quiet hours


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("expect", "more", "wrong"),
    [
        ("chat", AT_NOON, None),
        ("chat,page", ("--last", *AT_NOON), None),
        ("page", AT_NOON, "Expected page; it would go to chat"),
        ("", AT_NOON, "Expected nobody; it would go to chat"),
    ],
)
def test_route_compares_with_what_is_expected(expect: str, more: tuple[str, ...], wrong: str | None) -> None:
    if wrong is None:
        route("--expect", expect, *more)
        return
    with pytest.raises(CommandError, match=wrong) as caught:
        route("--expect", expect, *more)
    assert caught.value.returncode == 1


SMS = {"BACKEND": "sms", "TO": ["+14155552671"], "FAILOVER": "chat"}
AT_NIGHT = ("--at", "2026-11-23T23:30:00+00:00")


@pytest.mark.parametrize(
    ("changes", "arguments", "expect", "says"),
    [
        pytest.param({}, AT_NIGHT, "chat", "chat: held by quiet hours night until 2026-11-24 07:00 UTC", id="held"),
        pytest.param({}, AT_NIGHT, "", None, id="nobody hears of what is held"),
        pytest.param(
            {"channels": {"chat": {"BACKEND": "memory"}, "page": SMS}},
            ("--last",),
            "chat,page",
            "page: not configured: TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_FROM; goes to chat",
            id="diverted",
        ),
        pytest.param(
            {"channels": {"chat": {"BACKEND": "memory"}, "page": SMS}, "routes": [{"to": ["page"]}]},
            ("--last",),
            "chat",
            None,
            id="the stand-in hears of it",
        ),
        pytest.param(
            {
                "channels": {
                    "page": {**SMS, "FAILOVER": "mail"},
                    "mail": {"BACKEND": "email", "TO": ["a@shop.example"]},
                },
                "routes": [{"to": ["page"]}],
                "quiet_hours": {},
            },
            ("--last",),
            "mail",
            "mail: not configured: EMAIL_BACKEND; goes to the last resort",
            id="nobody can stand in",
        ),
        pytest.param(
            {
                "limits": {"page": {"RATES": [], "MESSAGES_PER_DAY": 1, "OVERFLOW": "chat"}},
                "routes": [{"to": ["page"]}],
            },
            ("--last",),
            "page",
            None,
            id="within the budget",
        ),
    ],
)
def test_expect_is_about_who_would_be_sent_it_at_once(
    scene: Scene,
    configure: Configure,
    changes: dict[str, Any],
    arguments: tuple[str, ...],
    expect: str,
    says: str | None,
) -> None:
    configure(**SITE | changes)
    if says is None:
        route("--expect", expect, *arguments)
        return
    with pytest.raises(CommandError) as caught:
        route("--expect", expect, *arguments)
    assert says in str(caught.value)


def test_expect_sees_a_silence_a_dead_target_and_a_twin_that_prints(site: Scene, settings: Settings) -> None:
    silence = silences.silence({"event": "invoice.*"}, until=NOON + HOUR, author="ada", comment="", now=NOON)
    with pytest.raises(CommandError, match=rf"chat: held by silence {silence.pk} until 2026-11-23 13:00 UTC"):
        route("--expect", "chat", "--at", "2026-11-23T12:00+00:00")
    silences.end(silence, NOON)
    set_aside.set_aside(a_target("chat:chat").pk, DeliveryError(Result.REJECTED, "is_archived", target_dead=True), NOON)
    with pytest.raises(CommandError, match="chat: set aside: is_archived"):
        route("--expect", "chat", "--at", "2026-11-23T12:00+00:00")
    settings.DEBUG = True
    settings.NOTIFIER = {"CHANNELS": {"page": {"BACKEND": "sms", "TO": ["+14155552671"]}}, "ROUTES": {"*": ["page"]}}
    with pytest.raises(CommandError, match="page: printed here: TWILIO_ACCOUNT_SID"):
        route("--expect", "page")
    assert Notification.objects.count() == 0


def test_expect_sees_that_a_provider_asked_to_wait(site: Scene) -> None:
    target = a_target("chat:chat")
    Target.objects.filter(pk=target.pk).update(next_at=NOON + HOUR, waits_for="pause", wait_ref="429")
    said = r"chat: waits for its provider, which asks for a pause \(429\) until 2026-11-23 13:00:00 UTC"
    with pytest.raises(CommandError, match=said):
        route("--expect", "chat", *AT_NOON)
    route("--expect", "chat", "--at", "2026-11-23T13:00:00+00:00")


@pytest.mark.parametrize("backend", ["console", "filebased", "dummy", "locmem"])
def test_expect_sees_mail_that_leaves_no_machine(configure: Configure, settings: Settings, backend: str) -> None:
    path = f"django.core.mail.backends.{backend}.EmailBackend"
    settings.EMAIL_BACKEND_PATH, settings.DEFAULT_FROM_EMAIL = path, "alerts@shop.example"
    configure(channels={"mail": {"BACKEND": "email", "TO": ["a@shop.example"]}}, routes=[{"to": ["mail"]}])
    with pytest.raises(CommandError, match=f"mail: sends nothing: its backend is {path}"):
        route("--expect", "mail")


CHAT = "tests.notifier.test_lists.Editing"


def test_expect_has_productions_rate_for_a_list(scene: Scene, configure: Configure) -> None:
    channels = {"chat": {"BACKEND": CHAT, "TO": ["chat"]}}
    configure(channels=channels, limits={"chat": {"RATES": ["1/1s"]}}, routes=[{"to": ["chat"]}])
    for number in range(7):
        scene.alert(event_type=f"type.{number}")
        scene.deliver()
        scene.clock.step(2 * SECOND)
    with pytest.raises(CommandError, match="chat: waits for its rate until 2026-11-23 12:01:00 UTC"):
        route("--expect", "chat", "--at", scene.now.isoformat())
    scene.alert(event_type="payout.failed")
    assert scene.deliver() == []


@pytest.mark.parametrize(("last", "until"), [((), "12:15:00"), (("--last",), None)])
def test_expect_has_the_rate_of_what_is_new_and_critical(
    scene: Scene, configure: Configure, last: tuple[str, ...], until: str | None
) -> None:
    configure(channels={"chat": {"BACKEND": "tests.notifier.test_lists.Mail", "TO": ["chat"]}})
    limits = get_policy().channels["chat"].limits
    object.__setattr__(limits, "windows", throttle.MAIL)
    object.__setattr__(limits, "critical", throttle.MAIL_CRITICAL)
    for number in range(5):
        scene.alert(event_type=f"type.{number}")
        scene.deliver()
        scene.clock.step(MINUTE)
    arguments = ("--expect", "chat", "--at", scene.now.isoformat(), *last)
    if until is None:
        route(*arguments)
        return
    with pytest.raises(CommandError, match=f"chat: waits for its rate until 2026-11-23 {until} UTC"):
        route(*arguments)


def test_route_logs_nothing_as_if_it_had_happened(
    site: Scene, configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    configure(**SITE | {"channels": {"chat": {"BACKEND": "memory"}, "page": SMS}})
    with caplog.at_level("DEBUG"):
        route("--last")
    assert caplog.records == []


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--event", "invoice.paid", "--exception", "KeyError", "--at", "soon"), "--at: 'soon' is not a time"),
        (("--event", "invoice.paid", "--exception", "os.path"), "os.path is not an exception class"),
    ],
)
def test_route_says_what_is_wrong_with_its_input(arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        run("route", *arguments)


@pytest.mark.usefixtures("site")
def test_route_says_that_a_file_is_no_event(tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text("{")
    with pytest.raises(CommandError):
        run("route", "--event", str(file), "--exception", "KeyError")


# --- send_test ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("site")
def test_send_test_sends_to_each_address_and_says_what_became_of_it() -> None:
    said = run("send_test")

    assert said.splitlines() == ["chat: delivered (memory-1)", "page (+14…71): delivered (memory-2)"]
    assert reasons(memory.outbox) == ["test", "test"]


@pytest.mark.usefixtures("site")
def test_send_test_fails_when_a_message_did_not_arrive() -> None:
    memory.fail_next(refused())
    with pytest.raises(CommandError, match=r"1 test message did not arrive") as caught:
        run("send_test", "page")
    assert caught.value.returncode == 1


@pytest.mark.usefixtures("site")
def test_send_test_knows_its_channels() -> None:
    with pytest.raises(CommandError, match=r"No channel is called fax\. There are chat, page"):
        run("send_test", "fax")


def test_send_test_brings_back_a_target_and_ends_its_alert(site: Scene) -> None:
    memory.fail_next(refused(dead=True))
    site.fail()
    site.deliver()
    target = target_row()
    pipeline_key = f"delivery.{target.pk}"
    Alert.objects.update(source=pipeline_key)

    assert "alerts go there again" in run("send_test", "chat")
    assert target_row().dead_since is None
    assert Alert.objects.get().resolved_how == "a test message arrived"


# --- digest, silence, ack -----------------------------------------------------------------------------------------


def test_digest_is_due_at_once(scene: Scene, configure: Configure) -> None:
    configure(digests={"daily": {"AT": "08:00", "TO": ["chat"]}})
    with time_machine.travel(NOON, tick=False):
        assert run("digest") == "daily: due now for chat\n"
    assert reasons(scene.deliver()) == ["digest"]


@pytest.mark.parametrize("digests", [{}, {"a": {"TO": ["chat"]}, "b": {"TO": ["chat"]}}], ids=["none", "two"])
def test_digest_asks_which(configure: Configure, digests: dict[str, Any]) -> None:
    configure(digests=digests)
    with pytest.raises(CommandError, match=r"Name one of NOTIFIER\['DIGESTS'\]"):
        run("digest")


@pytest.mark.parametrize("match", ["event=invoice.*", '{"event": "invoice.*"}'])
def test_silence_begins_is_listed_and_ends(scene: Scene, match: str) -> None:
    with time_machine.travel(NOON, tick=False):
        said = run("silence", "--match", match, "--for", "2h", "--comment", "known bug", "--author", "ada")
        silence = Silence.objects.get()
        assert said == f"Silence {silence.pk} is in force until 2026-11-23 14:00 UTC.\n"
        assert run("silence", "--list") == (
            f'{silence.pk}: {{"event": "invoice.*"}} until 2026-11-23 14:00 UTC, ada: known bug\n'
        )
        scene.fail()
        assert scene.deliver() == []
        assert run("silence", "--end", str(silence.pk)) == (
            f"Silence {silence.pk} ended; 1 held message will be judged again.\n"
        )
    assert reasons(scene.deliver()) == ["first"]


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Say what and for how long"),
        (("--match", "event=invoice.*"), "Say what and for how long"),
        (("--match", "invoice", "--for", "2h"), "name=value, or a JSON object"),
        (("--match", "{", "--for", "2h"), "--match is not JSON"),
        (("--match", "evnt=invoice.*", "--for", "2h"), "event"),
        (("--match", "event=invoice.*", "--for", "soon"), "Not a duration"),
        (("--end", "7"), "There is no silence 7"),
    ],
)
def test_silence_says_what_is_wrong(arguments: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        run("silence", *arguments)
    assert not Silence.objects.exists()


def test_ack_acknowledges_and_resolves(scene: Scene) -> None:
    alert = scene.alert()
    with time_machine.travel(NOON, tick=False):
        said = run("ack", str(alert.pk), "--for", "2h", "--by", "ada")
        assert said == f"Alert {alert.pk}: acknowledged until 14:00 UTC.\n"
        alert.refresh_from_db()
        assert (alert.acknowledged_by, alert.acknowledged_until) == ("ada", NOON + 2 * HOUR)
        assert run("ack", str(alert.pk), "--resolve", "--by", "ada") == f"Alert {alert.pk}: resolved.\n"
    alert.refresh_from_db()
    assert alert.resolved_how == "by ada"
    with pytest.raises(CommandError, match=r"over since .* by ada"):
        run("ack", str(alert.pk))
    with pytest.raises(CommandError, match="There is no alert 4711"):
        run("ack", "4711")


def test_ack_says_all_that_can_be_said_of_an_alert(scene: Scene, configure: Configure) -> None:
    route = {"name": "all", "to": ["chat"], "escalate": [{"after": "1d", "to": ["chat"]}]}
    configure(routes=[route])
    alert = scene.alert()
    scene.deliver()
    number = str(alert.pk)
    with time_machine.travel(NOON, tick=False):
        assert (
            run("ack", number, "--test", "--by", "ada") == f"Alert {number}: the way back works. Nothing was changed.\n"
        )
        assert run("ack", number, "--escalate") == f"Alert {number}: escalated, to chat.\n"
        assert run("ack", number, "--silence", "--for", "2h").startswith(
            f"Alert {number}: its kind is silenced until 14:00 UTC, silence "
        )
        assert run("ack", number, "--rehearse") == f"Alert {number}: None was tried; not tried: 1 not stored here.\n"
    assert list(LogEntry.objects.filter(through="command").order_by("pk").values_list("verb", flat=True)) == [
        "test",
        "escalate",
        "silence",
        "rehearse",
    ]
    with pytest.raises(CommandError, match="leave it out here"):
        run("ack", number, "--test", "--for", "2h")


def test_ack_says_what_is_wrong_with_a_duration(scene: Scene) -> None:
    alert = scene.alert()
    with pytest.raises(CommandError, match="Not a duration"):
        run("ack", str(alert.pk), "--for", "soon")


# --- admin --------------------------------------------------------------------------------------------------------


@pytest.fixture
def admin(scene: Scene) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada", "ada@example.com", "made-up"))
    return client


def test_every_admin_page_answers(scene: Scene, admin: Client) -> None:
    alert = scene.alert()
    scene.deliver()
    silence = silences.silence({"event": "*"}, until=NOON + HOUR, author="ada", comment="", now=NOON)
    for name in ("alert", "occurrence", "target", "attempt", "digest", "silence"):
        page = admin.get(reverse(f"admin:swa_notifier_{name}_changelist"))
        assert page.status_code == 200, name
        search = admin.get(reverse(f"admin:swa_notifier_{name}_changelist"), {"q": "evt"})
        assert search.status_code == 200, name
    for row in (alert, silence, target_row(), Attempt.objects.get(), Occurrence.objects.get()):
        page = admin.get(reverse(f"admin:swa_notifier_{row._meta.model_name}_change", args=[row.pk]))
        assert page.status_code == 200, row
    assert admin.get(reverse("admin:swa_notifier_silence_add")).status_code == 200


def test_the_admin_says_a_wait_for_the_rate_while_it_lasts(scene: Scene, admin: Client) -> None:
    target = a_target("chat:chat")
    page = reverse("admin:swa_notifier_target_change", args=[target.pk])
    for ahead, said in ((MINUTE, True), (-MINUTE, False)):
        next_at = timezone.now() + ahead
        Target.objects.filter(pk=target.pk).update(next_at=next_at, waits_for="rate", wait_ref="1 in 0:01:00")
        assert ("its rate (1 in 0:01:00)" in admin.get(page).content.decode()) is said


def act(admin: Client, model: str, action: str, *rows: Any) -> str:
    url = reverse(f"admin:swa_notifier_{model}_changelist")
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    return admin.post(url, chosen, follow=True).content.decode()


def test_the_admin_acknowledges_and_resolves(scene: Scene, admin: Client) -> None:
    alerts = [scene.alert(event_type=name) for name in ("a", "b")]
    scene.deliver()

    said = act(admin, "alert", "acknowledge", *alerts)
    assert all(f"Alert {alert.pk}: acknowledged until" in said for alert in alerts)
    assert set(Alert.objects.values_list("acknowledged_by", flat=True)) == {"ada"}
    assert f"Alert {alerts[0].pk}: resolved." in act(admin, "alert", "resolve", alerts[0])
    alerts[0].refresh_from_db()
    assert alerts[0].resolved_how == "by ada"
    assert row_of(alerts[0]).reason == "resolved"


def test_whoever_may_only_look_cannot_resolve(scene: Scene) -> None:
    alert = scene.alert()
    client = Client()
    client.force_login(User.objects.create_user("bob", is_staff=True))
    assert client.get(reverse("admin:swa_notifier_alert_changelist")).status_code == 403
    act(client, "alert", "resolve", alert)
    alert.refresh_from_db()
    assert alert.resolved_at is None


def test_the_admin_begins_a_silence_and_ends_it(scene: Scene, admin: Client) -> None:
    scene.fail()
    form = {
        "matcher": '{"event": "invoice.*"}',
        "starts_at_0": "2026-11-23",
        "starts_at_1": "11:00:00",
        "ends_at_0": "2099-11-23",
        "ends_at_1": "14:00:00",
        "comment": "known bug",
    }
    refused_form = admin.post(reverse("admin:swa_notifier_silence_add"), form | {"matcher": '{"evnt": "x"}'})
    assert refused_form.status_code == 200
    assert not Silence.objects.exists()
    assert admin.post(reverse("admin:swa_notifier_silence_add"), form).status_code == 302
    silence = Silence.objects.get()
    assert silence.author == "ada"
    assert scene.deliver() == []

    assert "1 held message will be judged again" in act(admin, "silence", "end_now", silence)
