"""SIGKILL where it hurts: the event is handled once, the alert arrives."""

from __future__ import annotations

from typing import Any

from tests.acceptance.site import Providers, Site, event, eventually


def test_an_event_that_kills_its_worker_ends_dead_with_an_alert(site: Site, providers: Providers) -> None:
    assert site.post(event(behaviour="kill")) == 200
    dead = "SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'dead'"
    planned = "SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'pending' AND attempts > 0"
    while not site.value(dead):
        eventually(site.all_workers_dead, what="the worker's death")
        site.start_worker()
        if eventually(lambda: site.value(planned) or site.value(dead)) and site.value(planned):
            site.hurry()
    assert site.value("SELECT attempts FROM swa_webhooks_webhookevent") == 3
    eventually(lambda: "its worker died" in str(providers.slack.messages), what="the alert")
    assert site.value("SELECT count(*) FROM shop_effect") == 0


def test_a_worker_killed_inside_a_handler_loses_and_doubles_nothing(site: Site) -> None:
    assert site.post(event(behaviour="sleep:60")) == 200
    eventually(lambda: site.value("SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'processing'") == 1)
    site.kill_workers()
    site.mended.touch()
    site.start_worker()
    eventually(lambda: site.value("SELECT count(*) FROM swa_webhooks_failure WHERE exception LIKE '%WorkerLost'") == 1)
    site.hurry()
    eventually(lambda: site.value("SELECT count(*) FROM swa_webhooks_webhookevent WHERE state = 'processed'") == 1)
    assert site.value("SELECT count(*) FROM shop_effect") == 1


def test_a_failure_whose_announcement_was_lost_is_announced(site: Site, providers: Providers) -> None:
    site.kill_workers()
    site.environment["SHOP_KILL_AT_SIGNAL"] = "1"
    site.start_worker()
    assert site.post(event(behaviour="bug")) == 200
    eventually(site.all_workers_dead, what="the worker's death between commit and announcement")
    assert site.value("SELECT count(*) FROM swa_webhooks_failure WHERE announced_at IS NULL") == 1
    assert site.value("SELECT count(*) FROM swa_notifier_alert") == 0
    del site.environment["SHOP_KILL_AT_SIGNAL"]
    site.start_worker()
    eventually(lambda: providers.slack.messages, what="the alert")
    assert site.value("SELECT count FROM swa_notifier_alert") == 1


def test_a_worker_killed_while_a_message_is_sent_sends_it_again_marked(site: Site, providers: Providers) -> None:
    providers.slack.script({"delay": 20.0})
    assert site.post(event(behaviour="bug")) == 200
    eventually(lambda: providers.slack.received, what="the request to Slack")
    site.kill_workers()
    site.start_worker()
    eventually(lambda: len(_in_the_channel(providers)) == 2, within=60, what="the second try")
    assert "repeat" in str(_in_the_channel(providers)[1]).lower()
    assert site.value("SELECT count(*) FROM swa_notifier_attempt WHERE result = 'uncertain'") == 1


def _in_the_channel(providers: Providers) -> list[dict[str, Any]]:
    return [message for message in providers.slack.messages if "thread_ts" not in message]
