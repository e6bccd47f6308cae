"""How long dj-stripe's view takes for a delivery, and our receivers in it: medians in ms, inside the site's process."""

import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import django
from django.apps import apps
from django.test import Client

from benchmarks.events import Template
from benchmarks.machine import SECRET

django.setup()
from djstripe import signals  # noqa: E402 - needs Django set up
from djstripe.event_handlers import djstripe_receiver  # noqa: E402 - as above

KIND = "invoice.will_be_due"  # dj-stripe itself does nothing for it
REQUESTS, FIRST = 60, 10  # the first ones also load things
_spent = _worked = 0.0  # seconds by the wall's clock, and those of them that this thread computed


def main(path: str, how: str, run: str) -> dict[str, float]:
    global _spent, _worked
    logging.disable(logging.CRITICAL)

    @djstripe_receiver(KIND)  # type: ignore[untyped-decorator]  # dj-stripe ships no types
    def handle(sender: object, event: object, **kwargs: object) -> None:
        if how == "fails":
            raise KeyError("plan")

    for signal in (signals.webhook_processing_error, signals.webhook_post_process):
        signal.send = _timed(signal.send)
    if apps.is_installed("notifier"):
        from notifier.intake import djstripe

        djstripe._recovered = _timed(djstripe._recovered)  # it runs after the commit
    template = Template(KIND, SECRET, int(run) + 10 * (how == "fails"))
    client = Client(raise_request_exception=False, headers={"host": "127.0.0.1"})
    requests, receivers, cpu = [], [], []
    for number in range(REQUESTS):
        body = template.body(number)
        headers = {"stripe-signature": template.sign(body)}
        _spent, _worked, began = 0.0, 0.0, time.perf_counter()
        answer = client.post(path, body, content_type="application/json", headers=headers)
        requests.append(time.perf_counter() - began)
        receivers.append(_spent)
        cpu.append(_worked)
        if answer.status_code != (500 if how == "fails" else 200):
            raise SystemExit(f"{answer.status_code}: {answer.content!r}")
    took = {"request": requests, "receivers": receivers, "cpu": cpu}
    return {name: statistics.median(each[FIRST:]) * 1000 for name, each in took.items()}


def _timed(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> Any:
        global _spent, _worked
        began, working = time.perf_counter(), time.thread_time()
        try:
            return function(*arguments, **named)
        finally:
            _spent += time.perf_counter() - began
            _worked += time.thread_time() - working

    return run


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(main(*sys.argv[1:])))
