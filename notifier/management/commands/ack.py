"""`manage.py ack`: acknowledge an alert, or answer it in another way."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError

from alerts_runtime.leasing import clock
from alerts_runtime.management.command import MOST_ROWS, user, whole
from alerts_runtime.management.database import DatabaseCommand
from notifier.answers.commands import Asker, Verb
from notifier.answers.commands import Command as Said
from notifier.answers.door import answer
from notifier.judge.durations import parse_duration
from notifier.messages.wording import sentence


class Command(DatabaseCommand):
    help = "Acknowledge alerts: updates and reminders wait until it runs out. Worse news still comes."
    examples = (
        "118",
        "118 119 --for 2h --comment 'waiting for the bank'",
        "118 --resolve",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("alerts", type=whole(1, MOST_ROWS), nargs="+", metavar="alert", help="its number")
        parser.add_argument(
            "--for", dest="lasting", help="how long, e.g. 2h; default: ACKNOWLEDGE_FOR, 1h of a silence"
        )
        parser.add_argument("--by", default=None, help="who; default: the user of this machine")
        parser.add_argument("--comment", default="", help="a note in the alert's log")
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument("--resolve", **_does(Verb.RESOLVE), help="it is over: end the alert instead")
        instead.add_argument("--take-back", **_does(Verb.TAKE_BACK), help="nobody has it any more: messages go on")
        instead.add_argument("--silence", **_does(Verb.SILENCE), help="tell nobody of its kind, for 1h or --for")
        instead.add_argument("--unsilence", **_does(Verb.UNSILENCE), help="tell of its kind again")
        instead.add_argument("--escalate", **_does(Verb.ESCALATE), help="take the next step of its escalation now")
        instead.add_argument("--replay", **_does(Verb.REPLAY), help="process its events again instead")
        instead.add_argument(
            "--rehearse", **_does(Verb.REHEARSE), help="say what a replay would do; nothing is changed"
        )
        instead.add_argument("--test", **_does(Verb.TEST), help="write into its log that this way works")

    def handle(self, **options: Any) -> None:
        verb, lasting = options["verb"], _lasting(options["lasting"])
        if lasting is not None and verb not in (Verb.ACKNOWLEDGE, Verb.SILENCE):
            raise CommandError("--for is the time of an acknowledgement or a silence: leave it out here.")
        asker, now = Asker(options["by"] or user(), "command"), clock.now()
        answers = [answer(Said(verb, pk, lasting, options["comment"]), asker, now) for pk in options["alerts"]]
        for one in answers:
            if one.changed:
                self.stdout.write(one.sentence)
        if unchanged := [one.sentence for one in answers if not one.changed]:
            raise CommandError("\n".join(unchanged))


def _does(verb: Verb) -> dict[str, Any]:
    return {"dest": "verb", "action": "store_const", "const": verb, "default": Verb.ACKNOWLEDGE}


def _lasting(text: str | None) -> timedelta | None:
    try:
        return parse_duration(text) if text else None
    except ValueError as error:
        raise CommandError(f"--for: {sentence(error)}") from error
