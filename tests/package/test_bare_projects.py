"""pip install, the README's lines, and an alert arrives: in a project that is not this one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.site import eventually
from tests.fakes.slack import FakeSlack
from tests.package import bare
from tests.package.conftest import Installed, clean

EVENT = {
    "id": "evt_bare",
    "object": "event",
    "type": "invoice.paid",
    "livemode": True,
    "api_version": "2026-05-27.dahlia",
    "data": {"object": {"id": "in_1", "object": "invoice", "amount_due": 125_000, "currency": "eur"}},
}
SECRETS = {"STRIPE_WEBHOOK_SECRET": bare.SIGNING_SECRET, "SLACK_BOT_TOKEN": bare.SLACK_TOKEN}


@pytest.mark.parametrize("name", ["core", "mysite"])
def test_the_readmes_lines_are_all_that_it_takes(installed: Installed, tmp_path: Path, name: str) -> None:
    with FakeSlack() as slack:
        project = bare.start(installed, tmp_path, name, **SECRETS)
        bare.add(project, slack.api_url)
        assert "System check identified no issues" in project.manage("check")
        first = project.manage("notifier_setup")
        assert "manage.py migrate" in first
        assert f"{name}.settings:" not in first
        assert f"{name}.urls:" not in first
        project.manage("migrate")
        assert "No changes detected" in project.manage("makemigrations", "--check", "--dry-run")
        with bare.serving(project) as (port, web_log), project.running("worker") as worker_log:
            body = json.dumps(EVENT | {"created": int(time.time())})
            assert bare.post(port, body) == 200
            eventually(lambda: slack.messages, what="the alert in Slack")
            assert [bare.get(port, path, host="10.1.2.3") for path in ("/healthz", "/readyz")] == [200, 200]
            assert bare.get(port, "/metrics") == 200
            assert bare.get(port, "/alerts/", host="10.1.2.3") == 400
            assert bare.get(port, "/alerts/") == 200  # its login
            assert "manage.py worker" not in project.manage("notifier_setup")
        text = json.dumps(slack.messages)
        assert "invoice.paid cannot be processed" in text
        assert "EUR 1,250.00" in text
        logs = web_log.read_text() + worker_log.read_text()
        assert "LookupError" in logs
        for secret in (bare.SIGNING_SECRET, bare.SLACK_TOKEN, "canary", "4242424242424242"):
            assert secret not in logs + text


def test_setup_prints_what_is_missing_and_following_it_leaves_nothing(installed: Installed, tmp_path: Path) -> None:
    project = bare.start(installed, tmp_path, "mysite", **SECRETS)
    with project.settings.open("a") as settings:
        settings.write('INSTALLED_APPS += ["alerts_runtime", "webhooks", "notifier"]\n')

    said = project.manage("notifier_setup")
    assert "mysite.settings:" in said
    assert "mysite.urls:" in said
    part = ""
    for line in said.splitlines():
        if line.startswith("mysite."):
            part = line.removeprefix("mysite.").rstrip(":")
        elif line.startswith("Then run:"):
            part = ""
        elif part and line.startswith("    "):
            with (project.folder / f"mysite/{part}.py").open("a") as file:
                file.write(line.removeprefix("    ") + "\n")
    project.manage("migrate")
    project.manage("check")
    again = project.manage("notifier_setup")
    assert "mysite." not in again
    assert "manage.py createsuperuser" in again


@pytest.mark.parametrize("hidden", ["notifier", "webhooks"])
def test_a_module_of_ours_that_is_hidden_is_named(installed: Installed, tmp_path: Path, hidden: str) -> None:
    project = bare.start(installed, tmp_path, "mysite")
    own = tmp_path / hidden
    own.mkdir()
    (own / "__init__.py").touch()
    with project.settings.open("a") as settings:
        settings.write('INSTALLED_APPS += ["alerts_runtime", "webhooks", "notifier"]\n')

    said = project.manage("check", check=False)
    assert "ImproperlyConfigured" in said
    assert f"INSTALLED_APPS has '{hidden}', which here is {own / '__init__.py'}" in said
    assert "Rename the site's own module" in said


def test_a_forgotten_app_is_named(installed: Installed, tmp_path: Path) -> None:
    project = bare.start(installed, tmp_path, "mysite")
    with project.settings.open("a") as settings:
        settings.write('INSTALLED_APPS += ["webhooks", "notifier"]\n')
    said = project.manage("check", check=False)
    assert "'webhooks' stands on 'alerts_runtime': add that to INSTALLED_APPS too." in said


@pytest.mark.parametrize("apps", ['"alerts_runtime", "notifier"', '"alerts_runtime", "webhooks", "notifier"'])
def test_without_any_setting_nothing_refuses_to_start_and_check_names_what_is_absent(
    installed: Installed, tmp_path: Path, apps: str
) -> None:
    project = bare.start(installed, tmp_path, "mysite")
    with project.settings.open("a") as settings:
        settings.write(f"INSTALLED_APPS += [{apps}]\n")
    said = project.manage("check")
    assert "NOTIFIER: is not set, so nobody is told of anything." in said
    assert ("WEBHOOKS is not set, so nothing can be received." in said) == ("webhooks" in apps)
    assert ("No URL leads to the receiver of events." in said) == ("webhooks" in apps)
    project.manage("migrate")
    project.manage("notifier_setup")


CONSUMER = """
from notifier.api import alert
from webhooks.events import StripeEvent
from webhooks.handlers import on
from webhooks.signals import webhook_processing_error

@on("invoice.paid")
def handle(event: StripeEvent) -> None:
    reveal_type(event.amount)
    alert("Payout is late", key="payouts", severty="critical")

reveal_type(alert)
"""


def test_a_consumers_type_checker_sees_types(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(CONSUMER)
    command = [sys.executable, "-m", "mypy", "--python-executable", str(installed.python), "--strict"]
    command += ["--follow-imports", "silent", "--cache-dir", str(tmp_path / "cache"), "consumer.py"]
    done = subprocess.run(command, cwd=tmp_path, env=clean(), capture_output=True, text=True, check=False)
    assert 'Revealed type is "int | None"' in done.stdout, done.stdout + done.stderr
    assert 'Unexpected keyword argument "severty" for "alert"' in done.stdout
    assert "key: str" in done.stdout
    assert "py.typed" not in done.stdout
