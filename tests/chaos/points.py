"""Where a process can be made to die: the only table of names of the product. A name that is gone is an error."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Asked = Callable[[tuple[Any, ...], Any], bool]


def _always(_arguments: tuple[Any, ...], _result: Any) -> bool:
    return True


def _found(_arguments: tuple[Any, ...], result: Any) -> bool:
    """Whoever found nothing to claim goes on."""
    return bool(result)


def _shop_row(_arguments: tuple[Any, ...], result: Any) -> bool:
    return type(result).__name__ == "Effect"


def _half_a_post(arguments: tuple[Any, ...], _result: Any) -> bool:
    """http.client sends the head of a request first, then its body."""
    data = arguments[1]
    return isinstance(data, bytes) and data.startswith(b"POST ")


def _lost_try(arguments: tuple[Any, ...], _result: Any) -> bool:
    return any(getattr(one.outcome, "code", "") == "worker-lost" for one in arguments[0])


@dataclass(frozen=True)
class Point:
    """Before a function is called, or after it returned, if `only` says so of its arguments and result."""

    when: Literal["before", "after"]
    path: str
    only: Asked = _always


POINTS: dict[str, Point] = {
    "event stored": Point("after", "webhooks.receive.store.store"),
    "event claimed": Point("after", "webhooks.process.claim.claim", _found),
    "handler wrote": Point("after", "django.db.models.query.QuerySet.create", _shop_row),
    "before the commit": Point("after", "webhooks.process.settle.finish"),
    "after the commit": Point("before", "webhooks.process.attempt.Attempt.set_committed"),
    "failure committed": Point("before", "notifier.flow.pipeline.failed"),
    "failure counted": Point("after", "notifier.alerts.counting.record"),
    "outbox inserted": Point("after", "notifier.outbox.plans.plan"),
    "outbox committed": Point("before", "webhooks.process.failures.announced"),
    "target claimed": Point("after", "notifier.outbox.leases.lease", _found),
    "try written down": Point("after", "notifier.outbox.starting.start", _found),
    "half a request": Point("after", "http.client.HTTPConnection.send", _half_a_post),
    "Slack took it": Point("after", "notifier.channels.slack.Slack.send"),
    "Twilio took it": Point("after", "notifier.channels.sms.Sms.send"),
    "mail was taken": Point("after", "notifier.channels.email.Email.send"),
    "step taken": Point("after", "notifier.outbox.pages.page"),
    "step committed": Point("after", "notifier.flow.stepping._take_due", _found),
    "answer logged": Point("after", "notifier.answers.log.write"),
    "answer committed": Point("after", "notifier.answers.sms.hear"),
    "handover written": Point("after", "notifier.oncall.handovers._write", _found),
    "digest composed": Point("after", "notifier.messages.compose.digest_message", _found),
    "tick ended a lease": Point("after", "webhooks.process.lost._lose", _found),
    "tick settles a try": Point("before", "notifier.outbox.finishing.finish", _lost_try),
}


def locate(path: str) -> tuple[Any, str]:
    """What holds the last name of a dotted path, and that name. Raises ImportError or AttributeError for no such."""
    names = path.split(".")
    for size in range(len(names) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(names[:size]))
        except ModuleNotFoundError as error:
            if error.name and ".".join(names[:size]).startswith(error.name):
                continue
            raise
        for name in names[size:-1]:
            owner = getattr(owner, name)
        getattr(owner, names[-1])
        return owner, names[-1]
    raise ImportError(f"there is no {path}")
