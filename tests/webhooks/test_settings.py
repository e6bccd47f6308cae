"""conf and checks: every mistake in settings.WEBHOOKS is reported with its path, and none shows a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import Client, override_settings

from webhooks.checks import check_webhooks, receiver_has_a_url
from webhooks.conf import ENDPOINT_KEYS, KEYS, NUMBERS, RETRY_NUMBERS, config

GOOD = {"default": {"SECRETS": ["whsec_1"]}}
SECRET = "sk_live_not_for_anybodys_eyes"


@pytest.mark.parametrize(
    ("webhooks", "found"),
    [
        ({"ENDPOINTS": GOOD}, []),
        ({"ENDPOINTS": GOOD, "MODE": "inline", "RETRY": {"ATTEMPTS": 2, "TRANSIENT": ["TimeoutError"]}}, []),
        (
            {"ENDPOINTS": GOOD, "RETRY": {"TRANSIENT": ["stripe.RateLimitEror"]}},
            [("webhooks.W014", "Write the path by which it is imported")],
        ),
        ({"ENDPOINTS": GOOD, "RETRY": {"TRANSIENT": [TimeoutError]}}, [("webhooks.E011", "that is not a text")]),
        (
            {"ENDPOINTS": {"default": {"SECRETS": ["whsec_1", b"whsec_2"]}}},
            [("webhooks.E011", '["SECRETS"] has something in it that is not a text')],
        ),
        ({"ENDPOINTS": {"default": {"SECRETS": ["whsec_1", None, ""]}}}, []),  # a variable that is not set
        ({"ENDPOINTS": GOOD, "HANDLER_TIMEOUT": 10**30}, [("webhooks.E006", "from 1 to 604800")]),
        ({"ENDPOINTS": {"default": {"SECRETS": "whsec_1"}}}, []),  # one may stand alone
        (None, [("webhooks.W012", "WEBHOOKS is not set, so nothing can be received")]),
        (3, [("webhooks.E001", "WEBHOOKS is not a dict")]),
        ({"ENDPOINTS": GOOD, "TOLERENCE": 9}, [("webhooks.E002", "Did you mean 'TOLERANCE'?")]),
        ({"ENDPOINTS": GOOD, "max_body": 9}, [("webhooks.E002", "Did you mean 'MAX_BODY'?")]),
        ({"ENDPOINTS": GOOD, "ZZZ": 9}, [("webhooks.E002", "Known are: ENDPOINTS, MODE")]),
        ({}, [("webhooks.W012", "names no endpoint")]),
        ({"ENDPOINTS": {}}, [("webhooks.W012", "names no endpoint")]),
        ({"ENDPOINTS": ["default"]}, [("webhooks.E003", "is not a dict")]),
        ({"ENDPOINTS": {"default": {"SECRETS": []}}}, [("webhooks.E004", "Set STRIPE_WEBHOOK_SECRET to")]),
        ({"ENDPOINTS": {"default": {"SECRETS": ["", " "]}}}, [("webhooks.E004", "has no signing secret")]),
        ({"ENDPOINTS": {"connect": {}}}, [("webhooks.E004", "Set STRIPE_WEBHOOK_SECRET_CONNECT to")]),
        ({"ENDPOINTS": {"default": "whsec_1"}}, [("webhooks.E001", "is not a dict")]),
        (
            {"ENDPOINTS": {"default": {"SECRETS": ["whsec_1"], "SECRET": SECRET}}},
            [("webhooks.E002", "Did you mean 'SECRETS'?")],
        ),
        ({"ENDPOINTS": GOOD, "MODE": "Inlined"}, [("webhooks.E005", "Did you mean 'inline'?")]),
        ({"ENDPOINTS": {"default": {"SECRETS": ["whsec_1"], "MODE": ""}}}, [("webhooks.E005", "neither")]),
        ({"ENDPOINTS": GOOD, "MAX_BODY": 0}, [("webhooks.E006", 'WEBHOOKS["MAX_BODY"] must be')]),
        ({"ENDPOINTS": GOOD, "MAX_BODY": "1 MB"}, [("webhooks.E006", 'WEBHOOKS["MAX_BODY"] must be')]),
        ({"ENDPOINTS": GOOD, "TOLERANCE": True}, [("webhooks.E006", "must be a whole number")]),
        ({"ENDPOINTS": GOOD, "RETRY": {"ATTEMPTS": -1}}, [("webhooks.E006", 'WEBHOOKS["RETRY"]["ATTEMPTS"]')]),
        ({"ENDPOINTS": GOOD, "RETRY": 3}, [("webhooks.E001", 'WEBHOOKS["RETRY"] is not a dict')]),
        ({"ENDPOINTS": {"a/b": {"SECRETS": ["whsec_1"]}}}, [("webhooks.E007", "this name cannot be part of a URL")]),
        ({"ENDPOINTS": {"default": {"SECRETS": ["whsec_1"], "LIVEMODE": False, "API_VERSION": "2026-10-28"}}}, []),
        ({"ENDPOINTS": {"default": {"SECRETS": ["whsec_1"], "LIVEMODE": "yes"}}}, [("webhooks.E008", "neither True")]),
        ({"ENDPOINTS": {"default": {"SECRETS": ["whsec_1"], "LIVEMODE": 1}}}, [("webhooks.E008", "neither True")]),
        (
            {"ENDPOINTS": {"default": {"SECRETS": ["whsec_1"], "API_VERSION": 2026}}},
            [("webhooks.E008", "is not a version")],
        ),
        (
            {"ENDPOINTS": {"default": {"SECRETS": ["whsec_1"], "API_VERSION": "endive"}}},
            [("webhooks.E008", "not a version")],
        ),
        *[
            ({"ENDPOINTS": {"default": {"SECRETS": [f"whsec_{odd}x"]}}}, [("webhooks.E009", says)])
            for odd, says in [
                (" ", "a blank"),
                ("\t", "a blank"),
                ("\u00a0", "a blank"),
                ("\n", "a line break"),
                ("\r\n", "a line break"),
                ("\u2028", "a line break"),
                ('"', "a quote"),
                ("'", "a quote"),
                ("\u201d", "a quote"),
                ("1,whsec_", "a comma"),
                ("1;whsec_", "a comma"),
                ("\u200b", "an invisible character"),
                ("\ufeff", "an invisible character"),
                ("\x00", "an invisible character"),
                ("\u202e", "an invisible character"),
                ("\u0430", "a character outside ASCII"),
            ]
        ],
        (
            {"ENDPOINTS": {"default": {"SECRETS": ['"whsec_1"']}}},
            [("webhooks.E009", "a quote"), ("webhooks.W002", "does not start")],
        ),
        ({"ENDPOINTS": {"default": {"SECRETS": [SECRET]}}}, [("webhooks.W002", "does not start with whsec_")]),
    ],
)
def test_each_mistake_is_reported_where_it_is(webhooks: Any, found: list[tuple[str, str]]) -> None:
    with override_settings(WEBHOOKS=webhooks):
        messages = check_webhooks()
        config()  # is read whatever is in it
    assert [message.id for message in messages] == [id_ for id_, _ in found]
    for message, (_, says) in zip(messages, found, strict=True):
        text = f"{message.msg} {message.hint}"
        assert says in text
        assert SECRET not in text


def test_while_a_site_is_set_up_a_missing_secret_only_warns() -> None:
    with override_settings(DEBUG=True, WEBHOOKS={"ENDPOINTS": {"default": {"SECRETS": []}}}):
        (message,) = check_webhooks()
    assert message.id == "webhooks.E004"
    assert not message.is_serious()


@pytest.mark.django_db  # Django's own checks ask the database
def test_the_checks_run_with_manage_py_check() -> None:
    with override_settings(WEBHOOKS={"ENDPOINTS": {}}), pytest.raises(SystemCheckError, match=r"webhooks\.W012"):
        call_command("check")


def test_djstripes_callback_setting_is_pointed_to_its_successor() -> None:
    with override_settings(DJSTRIPE_WEBHOOK_EVENT_CALLBACK="shop.callback"):
        (message,) = check_webhooks()
    assert message.id == "webhooks.W001"
    assert "docs/howto/from-callback-to-signals.md" in (message.hint or "")


def test_settings_are_read_once_and_again_when_they_change() -> None:
    assert config() is config()
    with override_settings(WEBHOOKS={"ENDPOINTS": {"b": {"SECRETS": ["whsec_1"], "TOLERANCE": 9}}, "MAX_BODY": 7}):
        assert config().max_body == 7
        assert config().endpoints["b"].tolerance == 9
    assert "default" in config().endpoints


def test_a_bad_value_counts_as_left_out() -> None:
    with override_settings(WEBHOOKS={"ENDPOINTS": GOOD, "MAX_BODY": "much", "TOLERANCE": -1, "MODE": "x", "RETRY": 5}):
        assert config().max_body == 1_048_576
        assert config().endpoints["default"].tolerance == 300
        assert not config().endpoints["default"].inline
        assert config().retry.attempts == 4


def test_no_secret_shows_when_the_settings_are_printed() -> None:
    for endpoint in config().endpoints.values():
        assert endpoint.secrets
        assert not any(secret in repr(config()) for secret in endpoint.secrets)
    assert settings.WEBHOOKS


class NoUrls:
    urlpatterns: list[object] = []


@override_settings(ROOT_URLCONF=NoUrls)
def test_a_site_whose_urls_lead_nowhere_is_told_and_its_posts_are_answered() -> None:
    (found,) = receiver_has_a_url()
    assert (found.id, found.msg) == ("webhooks.W013", "No URL leads to the receiver of events.")
    assert Client().post("/stripe/default/", b"{}", content_type="application/json").status_code == 404


def test_the_page_on_ones_own_site_has_every_key_and_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs/howto/your-site.md").read_text()
    table = page.partition("Of `WEBHOOKS`:")[2].partition("And beside these two:")[0]
    rows = {line.split("|")[1].strip(" `"): line for line in table.splitlines() if line.startswith("| `")}
    assert set(rows) == set(KEYS)
    for key, default in NUMBERS.items():
        assert f"| {default} |" in rows[key]
    for key, default in RETRY_NUMBERS.items():
        assert f"`{key}` ({default}" in rows["RETRY"]
    for key in ENDPOINT_KEYS:
        assert f"`{key}`" in rows["ENDPOINTS"]
