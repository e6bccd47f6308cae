"""What all channels have in common: they are found by name, and nothing escapes them but a clean DeliveryError."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from notifier.channels import KINDS, load
from notifier.channels.base import Channel
from notifier.facts import DeliveryError, Message, Receipt, Result
from tests.notifier.channels.conftest import MESSAGE, PHONE, message

SECRET = "a-secret-of-the-site's"
URL_SECRET = "https://hooks.example/services/T0/B0/verysecretpath"
NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Broken(Channel):
    """A site's own channel, of which anything may come."""

    kind = "broken"
    SECRETS = frozenset({"token", "url"})
    fault: Exception | None = None
    seen: Message | None = None

    def send(self, address: str, message: Message) -> Receipt:
        self.seen = message
        if self.fault:
            raise self.fault
        return Receipt("1")

    def search(self, address: str, reference: str, since: datetime, thread: str) -> Receipt | None:
        if self.fault:
            raise self.fault
        return Receipt(reference)


class Needy(Broken):
    REQUIRED = frozenset({"token", "url"})


def broken(fault: Exception | None = None, kind: type[Broken] = Broken) -> Broken:
    channel = kind({"token": SECRET, "url": URL_SECRET})
    channel.fault = fault
    return channel


def fails(call: Callable[[], object]) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_found(kind: str) -> None:
    channel = load(kind)

    assert channel.kind == kind
    assert set(channel.SETTINGS) >= channel.REQUIRED >= set()
    assert set(channel.SETTINGS) >= channel.SECRETS
    assert "timeout" in channel.OPTIONS


def test_no_channel_may_know_another() -> None:
    """A contract that leaves a new one out would be kept."""
    found = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    [contract] = [one for one in found if one["name"] == "Channels do not know each other"]
    assert sorted(contract["modules"]) == sorted(path.rpartition(".")[0] for path in KINDS.values())


def test_a_sites_own_channel_is_found_by_its_path() -> None:
    assert load(f"{Broken.__module__}.Broken").__name__ == "Broken"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("slak", f"no channel is called 'slak'; there are {', '.join(KINDS)}"),
        ("shop.channels.Pager", "'shop.channels.Pager' cannot be imported"),
        ("notifier.channels.sms.Pager", "'notifier.channels.sms.Pager' cannot be imported"),
        ("notifier.facts.Message", "'notifier.facts.Message' is not a subclass"),
        ("", "no channel is called ''"),
    ],
)
def test_says_why_a_channel_is_not_found(kind: str, words: str) -> None:
    with pytest.raises(LookupError) as caught:
        load(kind)
    assert str(caught.value).startswith(words)


def test_loading_every_kind_imports_no_providers_library() -> None:
    """Importing all of them takes a second, which a web process must not pay."""
    script = (
        "import sys, django; from django.conf import settings; settings.configure();"
        "from notifier.channels import KINDS, load; [load(kind)({}) for kind in KINDS];"
        "heavy = {'slack_sdk', 'twilio', 'anymail', 'phonenumbers'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": "."}
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "fault",
    [
        RuntimeError(f"bug with {SECRET}"),
        ValueError(f"Invalid header value b'Bearer {SECRET}'"),
        OSError(f"cannot reach {URL_SECRET}"),
        KeyError(SECRET),
        Exception("request to /services/T0/B0/verysecretpath failed"),
        Exception(f"no route to {PHONE}, nor to {PHONE[1:]}"),
        Exception("Authorization: Bearer sk_live_0123456789abcdef"),
    ],
    ids=lambda fault: type(fault).__name__,
)
@pytest.mark.parametrize("verb", ["deliver", "find"])
def test_a_surprise_becomes_uncertain_and_tells_no_secret(
    fault: Exception, verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    channel = broken(fault)
    call = (lambda: channel.deliver(PHONE, MESSAGE)) if verb == "deliver" else (lambda: channel.find(PHONE, "r", NOW))

    error = fails(call)

    assert error.result is (Result.UNCERTAIN if verb == "deliver" else Result.RETRY)
    assert error.code == type(fault).__name__
    assert "Traceback" in caplog.text  # whoever has to mend it needs to know where
    for told in (str(error), error.detail, repr(error), caplog.text):
        assert not any(secret in told for secret in (SECRET, "verysecretpath", PHONE, PHONE[1:], "sk_live_0123456789"))


def test_an_error_keeps_its_meaning_and_loses_its_past() -> None:
    fault = DeliveryError(Result.REJECTED, "gone", f"no\n {SECRET} ", retry_after=3.0, target_dead=True)
    fault.__cause__ = ValueError(SECRET)

    error = fails(lambda: broken(fault).deliver("#payments", MESSAGE))

    assert (error.result, error.code, error.retry_after, error.target_dead) == (Result.REJECTED, "gone", 3.0, True)
    assert error.detail == "no [secret]"
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_long_detail_is_cut() -> None:
    error = fails(lambda: broken(ValueError("words and more " * 200)).deliver("#payments", MESSAGE))

    assert len(error.detail) <= 300


def test_whoever_stops_the_process_is_not_kept_from_it() -> None:
    class Stopped(Broken):
        def send(self, address: str, message: Message) -> Receipt:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stopped({}).deliver("#payments", MESSAGE)


@pytest.mark.parametrize(
    ("result", "found"), [(Result.RETRY, False), (Result.UNCERTAIN, False), (Result.REJECTED, True)]
)
def test_asking_in_vain_is_tried_again_unless_it_is_forbidden(result: Result, found: bool) -> None:
    channel = broken(DeliveryError(result, "no", retry_after=4.0))

    if found:
        assert channel.find("#payments", "r", NOW) is None
    else:
        error = fails(lambda: channel.find("#payments", "r", NOW))
        assert (error.result, error.retry_after) == (Result.RETRY, 4.0)


def test_names_what_is_missing_and_never_goes_near_the_network() -> None:
    channel = Needy({"token": ""})

    assert Needy.missing({"token": "", "url": None}) == ("token", "url")
    assert Needy.missing({"token": "x", "url": "y"}) == ()
    error = fails(lambda: channel.deliver("#payments", MESSAGE))
    assert (error.result, error.code, error.target_dead) == (Result.REJECTED, "not_configured", True)
    assert error.detail == "not set: token, url"
    assert channel.seen is None


@pytest.mark.parametrize("kind", ["slack", "slack_webhook", "sms", "email"])
def test_without_credentials_a_channel_says_what_to_set(kind: str) -> None:
    channel = load(kind)({})

    error = fails(lambda: channel.deliver("#payments", MESSAGE))

    assert (error.code, error.target_dead) == ("not_configured", True)
    assert all(name in error.detail for name in channel.REQUIRED)


@pytest.mark.parametrize(
    ("given", "timeout"), [({}, 10.0), ({"timeout": 2}, 2.0), ({"timeout": "0.5"}, 0.5), ({"timeout": ""}, 10.0)]
)
def test_has_a_timeout_whatever_is_set(given: dict[str, object], timeout: float) -> None:
    for kind in KINDS:
        channel = load(kind)(given)
        assert channel.timeout == timeout
        assert channel.deadline == timeout * channel.WAITS <= timeout * 4


def test_a_message_is_printable_before_any_channel_sees_it() -> None:
    channel = broken()

    channel.deliver(
        "#payments", message(title="a\x00b\x1b[31m\ud800", summary=("c\r\nd\u202e",), reason=MESSAGE.reason)
    )

    assert channel.seen is not None
    assert (channel.seen.title, channel.seen.summary) == ("ab[31m?", ("c\nd",))
    assert channel.seen.reason is MESSAGE.reason
    assert channel.seen.severity is MESSAGE.severity
