"""`manage.py route`: where a failure would go, without sending anything."""

from __future__ import annotations

import dataclasses
import json
import logging
from argparse import ArgumentParser
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from alerts_runtime.leasing import clock
from alerts_runtime.management.command import whole
from alerts_runtime.management.database import DatabaseCommand
from alerts_runtime.redaction.masking import named
from notifier.delivery.dryrun import Explanation, Heard, explain
from notifier.facts import Failure
from notifier.intake.as_if import failure_like
from notifier.judge.durations import human, parse_duration
from notifier.messages.wording import sentence
from notifier.oncall.present import policy_now

_FIRST_YEAR, _LAST_YEAR = 2000, 2199


class Command(DatabaseCommand):
    help = "Show what would become of a failure: verdict, routes, targets, guards, times and messages. Sends nothing."
    examples = (
        "--event invoice.paid --exception django.db.OperationalError --livemode",
        "--event event.json --exception KeyError --last",
        "--event payout.failed --exception KeyError --at 2026-11-22T02:00+01:00 --expect oncall",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--event", required=True, help="a file with the event's JSON, or an event type")
        parser.add_argument("--exception", required=True, help="its dotted path, e.g. django.db.OperationalError")
        parser.add_argument("--message", default="", help="the exception's text")
        parser.add_argument("--attempt", type=whole(1, 1000), default=1)
        parser.add_argument("--last", action="store_true", help="nothing will retry it")
        parser.add_argument("--at", help="the time, e.g. 2026-11-22T02:00+01:00; default: now")
        parser.add_argument("--livemode", action="store_true", default=None, help="as if it were in live mode")
        parser.add_argument(
            "--expect",
            help="all channels that must be sent it as soon as it is due: slack,oncall. Exit 1 when it would go to "
            "others, or is held, diverted, printed or kept here instead",
        )
        parser.add_argument(
            "--expect-steps",
            help='the steps that must follow while nobody acknowledges it: "10m oncall2; 25m lead,slack". Exit 1 when '
            "they would be others, or reach nobody; the last resort always follows",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, **options: Any) -> None:
        now = _time(options["at"])
        try:
            failure = failure_like(
                _event(options["event"]),
                options["exception"],
                message=options["message"],
                attempt=options["attempt"],
                will_retry=not options["last"],
                livemode=options["livemode"],
                now=now,
            )
        except ValueError as error:
            raise CommandError(sentence(error)) from error
        logging.disable(logging.WARNING)  # the log would say that things happen which do not
        try:
            explanation = explain(failure, policy_now(now), now)
        finally:
            logging.disable(logging.NOTSET)
        if options["json"]:
            self.stdout.write(json.dumps(dataclasses.asdict(explanation), default=str, indent=2))
        else:
            self.stdout.write("\n".join(_lines(failure, explanation)))
        _check(options["expect"], explanation)
        _check_steps(options["expect_steps"], explanation, now)


def _time(text: str | None) -> datetime:
    if not text:
        return clock.now()
    found = parse_datetime(text)
    if found is None:
        raise CommandError(f"--at: {text!r} is not a time. Write it such as 2026-11-22T02:00+01:00.")
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise CommandError(f"--at: write a year from {_FIRST_YEAR} to {_LAST_YEAR}.")
    return found if found.tzinfo else timezone.make_aware(found)


def _event(text: str) -> bytes | str:
    try:
        return Path(text).read_bytes()
    except (OSError, ValueError):  # no file: a type
        return text


def _check(expect: str | None, explanation: Explanation) -> None:
    if expect is None:
        return
    wanted = {name.strip() for name in expect.split(",") if name.strip()}
    told = [one for one in explanation.heard if one.reason is not None]
    # A channel is heard from when each of its addresses is told as soon as it is due.
    not_so = {one.target.channel for one in told if one.why_not}
    found = {one.target.channel for one in told} - not_so
    if wanted == found:
        return
    others = [f"{one.target.channel}: {one.why_not}" for one in told if one.why_not]
    raise CommandError(
        f"Expected {', '.join(sorted(wanted)) or 'nobody'}; it would go to {', '.join(sorted(found)) or 'nobody'}."
        + "".join(f"\n  {line}" for line in dict.fromkeys(others))
    )


def _check_steps(expect: str | None, explanation: Explanation, now: datetime) -> None:
    if expect is None:
        return
    try:
        wanted = [_step(one) for one in expect.split(";") if one.strip()]
    except ValueError as error:
        raise CommandError(f'--expect-steps: {sentence(error)} For example "10m oncall2; 25m lead,slack".') from error
    steps = [one for one in explanation.steps if not one.level.last_resort]
    found = [(one.at - now, frozenset(one.level.to)) for one in steps]
    nobody = [f"\n  {', '.join(one.level.to)}: {one.nobody}" for one in steps if one.nobody]
    if wanted != found or nobody:
        would = "; ".join(f"{human(after)} {','.join(sorted(to))}" for after, to in found) or "none"
        raise CommandError(f"Expected the steps {expect}; they would be {would}.{''.join(nobody)}")


def _step(text: str) -> tuple[timedelta, frozenset[str]]:
    after, _, to = text.strip().partition(" ")
    return parse_duration(after), frozenset(name.strip() for name in to.split(","))


def _steps_lines(explanation: Explanation) -> list[str]:
    if not explanation.steps:
        return []
    lines = ["", "While nobody acknowledges it"]
    for one in explanation.steps:
        to = [*one.level.to, *(["the last resort: the log, and ADMINS by mail"] if one.level.last_resort else [])]
        nobody = f" (reaches nobody, so the next one comes at once: {one.nobody})" if one.nobody else ""
        lines.append(f"    {timezone.localtime(one.at):%Y-%m-%d %H:%M:%S %Z}: {', '.join(to)}{nobody}")
    return lines


def _lines(failure: Failure, explanation: Explanation) -> list[str]:
    verdict = explanation.verdict
    if verdict is None:
        return ["Ignored by a CLASSIFY rule: nobody hears of it."]
    mode = "live" if failure.livemode else "test"
    lines = [
        f"{failure.event_type} ({mode} mode), {failure.exceptions[0]}, attempt {failure.attempt}",
        f"Verdict   {verdict.severity.label}, {verdict.category}: {verdict.title}",
        f"          by {verdict.rule}, fingerprint {verdict.fingerprint[:12]}",
        f"          do: {verdict.hint}",
    ]
    if explanation.alert:
        lines.append(f"Alert     counted on open alert {explanation.alert}, as occurrence {explanation.count}")
    lines.append("Routes")
    lines += [f"          {tried.route.name}: {tried.why_not or 'matches'}" for tried in explanation.tried]
    if not explanation.heard:
        nobody = (
            "Nobody would hear of it at once." if explanation.steps else "Nobody would hear of it, except in a digest."
        )
        return [*lines, nobody, *_steps_lines(explanation)]
    for heard in explanation.heard:
        lines += ["", *_heard_lines(heard)]
    return [*lines, *_steps_lines(explanation)]


def _heard_lines(heard: Heard) -> list[str]:
    head = f"To {named(heard.target.channel, heard.target.address)} by route {heard.route!r}"
    if heard.reason is None or heard.message is None:
        return [f"{head}: nothing now, it has been told"]
    when = f"{timezone.localtime(heard.goes_at):%Y-%m-%d %H:%M:%S %Z}" if heard.goes_at else "not sent here"
    lines = [f"{head}: {heard.reason}, {when}"]
    lines += [f"    {guard}: {answer}" for guard, answer in heard.asked]
    if heard.why_not:
        lines.append(f"    not when it is due: {heard.why_not}")
    text = heard.message.short if heard.target.kind == "sms" else heard.message.text
    return [*lines, *(f"    | {line}" for line in text.splitlines())]
