"""The main job by HTTP alone: an event in, the providers' requests out, checked field by field."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.site import Providers, Site, database_in_use, event, eventually, running, same_on_each_engine


def _slack(providers: Providers) -> list[dict[str, object]]:
    """What stands in the channel, without what is below it."""
    return [message for message in providers.slack.messages if "thread_ts" not in message]


def test_a_bug_in_a_handler_becomes_one_slack_message_and_no_sms(site: Site, providers: Providers) -> None:
    body = event("invoice.paid", behaviour="bug")
    assert site.post(body) == 200

    [message] = eventually(lambda: _slack(providers), what="the Slack message")
    text = json.dumps(message)
    assert "Error: invoice.paid cannot be processed" in text
    assert "EUR 1,250.00 at risk" in text
    assert body["data"]["object"]["customer"] in text
    assert "KeyError" in text
    assert "tests/acceptance/shop/stripe_handlers.py" in text
    assert "<!channel>" not in text, "an exception's text must not ping the channel"
    [details] = eventually(lambda: providers.slack.messages[1:], what="its details below")
    assert details["thread_ts"] == message["ts"]
    assert "in record" in json.dumps(details["blocks"])
    assert f"https://dashboard.stripe.com/events/{body['id']}" in text
    assert message["metadata"]["event_type"] == "stripe_alert"  # type: ignore[index]  # JSON
    request = providers.slack.received[0]
    assert request["path"] == "/api/chat.postMessage"
    assert request["headers"]["authorization"] == "Bearer xoxb-acceptance-token"
    assert not providers.twilio.messages


def test_an_outage_on_live_payments_pages_and_its_end_is_told(site: Site, providers: Providers) -> None:
    body = event("invoice.paid", behaviour="database")
    assert site.post(body) == 200
    site.hurry()  # the second attempt makes an outage of it

    [sms] = eventually(lambda: list(providers.twilio.messages), what="the SMS")
    assert sms["to"] == "+4915112345678"
    assert sms["from"] == "+15005550006"
    assert sms["body"].startswith("CRIT invoice.paid: database unavailable")
    assert "EUR 1,250.00" in sms["body"]
    assert len(sms["body"]) <= 306
    [mail] = eventually(lambda: list(providers.esp.messages), what="the email")
    assert mail["to"] == "team@shop.example"
    assert mail["subject"].endswith(": invoice.paid cannot be processed: database unavailable")
    assert "EUR 1,250.00" in mail["text"]
    assert "EUR 1,250.00" in mail["html"]

    site.mended.touch()
    site.hurry()
    first = eventually(lambda: _resolved(providers), what="the first message turning green")
    assert "Resolved" in json.dumps(first)
    site.forget_throttle()  # one SMS a minute
    eventually(lambda: any("Resolved" in m["body"] for m in providers.twilio.messages), what="the SMS's end")
    eventually(lambda: any(m["text"].startswith("Resolved · ") for m in providers.esp.messages), what="the email's end")
    assert site.value("SELECT state FROM swa_webhooks_webhookevent") == "processed"
    assert site.value("SELECT count(*) FROM shop_effect") == 1, "what a failed attempt wrote was rolled back"


def test_an_event_delivered_often_is_handled_once(tmp_path: Path, providers: Providers) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with running(tmp_path, database_in_use(), environment=providers.environment(), workers=2, web=2) as site:
        bodies = [event() for _ in range(50)] * 4
        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(site.post, bodies))
        assert set(codes) == {200}
        done = "SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'processed'"
        eventually(lambda: site.value(done) == 50, what="50 processed events")
        assert site.value("SELECT count(*) FROM shop_effect") == 50
        assert site.value("SELECT count(DISTINCT event_id) FROM shop_effect") == 50
        assert not providers.slack.messages


@same_on_each_engine
def test_refused_requests_leave_nothing_behind(site: Site) -> None:
    assert site.post(event(), secret="whsec_somebody_else") == 400
    assert site.post(b"not json") == 400
    assert site.post(event(), endpoint="unknown") == 404
    assert site.post(b"x" * 2_700_000) in {413, 0}, "refused by its length alone, perhaps before all of it was sent"
    assert site.post(event()) == 200
    assert site.value("SELECT count(*) FROM swa_webhooks_webhookevent") == 1, "only the good one is stored"
    eventually(
        lambda: site.value("SELECT coalesce(sum(count), 0) FROM swa_webhooks_refusal") >= 2,
        what="the counters",
    )


def test_a_handler_that_waits_for_somebody_delays_no_answer(site: Site) -> None:
    assert site.post(event(behaviour="sleep:5")) == 200
    eventually(lambda: site.value("SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'processing'") == 1)
    for _ in range(20):
        assert site.post(event()) == 200
    done = "SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'processed'"
    assert eventually(lambda: site.value(done) == 20, within=4, what="20 events beside a sleeping handler")


@same_on_each_engine
def test_the_digest_tells_of_the_day(site: Site, providers: Providers) -> None:
    assert site.post(event("charge.refunded", behaviour="bug")) == 200
    eventually(lambda: _slack(providers), what="the Slack message")
    site.manage("digest", "daily")
    [mail] = eventually(lambda: list(providers.esp.messages), what="the digest")
    assert "1 alert, 1 still open, EUR 1,250.00 at risk" in mail["subject"]
    assert "charge.refunded" in mail["text"]


@same_on_each_engine
def test_an_expired_token_goes_to_the_log_and_admins_and_a_test_revives_it(site: Site, providers: Providers) -> None:
    providers.slack.script(*[{"status": 200, "body": {"ok": False, "error": "token_revoked"}}] * 2)
    assert site.post(event(behaviour="bug")) == 200
    eventually(lambda: site.value("SELECT count(*) FROM swa_notifier_target WHERE dead_since IS NOT NULL"))
    eventually(lambda: "alert.not_delivered" in site.log(), what="the last resort's line")
    providers.slack.reset()
    assert "delivered" in site.manage("send_test", "slack").stdout
    assert site.value("SELECT count(*) FROM swa_notifier_target WHERE dead_since IS NOT NULL") == 0


def _resolved(providers: Providers) -> dict[str, object] | None:
    first = next((m for m in providers.slack.messages if "thread_ts" not in m), None)
    return first if first and first.get("edits") and "Resolved" in json.dumps(first) else None
