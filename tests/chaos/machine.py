"""A site whose processes may die, a supervisor that starts them again, and a Stripe that posts again."""

from __future__ import annotations

import http.client
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.acceptance.site import Providers, Site, eventually
from tests.chaos.faults.kill import KINDS
from tests.chaos.providers import everything_told

# What is still to happen, in the site's tables. Zero everywhere: it has recovered.
_UNSETTLED = {
    "events under way": "swa_webhooks_webhookevent WHERE state IN ('pending', 'processing')",
    "failures not announced": "swa_webhooks_failure WHERE announced_at IS NULL",
    "recoveries not noticed": (
        "swa_notifier_occurrence o JOIN swa_webhooks_webhookevent e ON e.event_id = o.event_id"
        " WHERE e.state = 'processed' AND o.recovered_at IS NULL"
    ),
    "tries under way": "swa_notifier_attempt WHERE result = 'sending'",
    "messages due": (
        "swa_notifier_notification WHERE due_at IS NOT NULL"
        " AND (due_at <= {soon} OR tries > 0 OR sending_id IS NOT NULL)"
    ),
    "steps of escalation": "swa_notifier_escalation WHERE due_at IS NOT NULL",
    "digests due": "swa_notifier_digest WHERE due_at IS NOT NULL",
    "recipients leased": "swa_notifier_target WHERE token <> ''",
}
PATIENCE = 60.0  # seconds in which everything must have recovered


class Machine(Site):
    """One site under test, on one stack."""

    def __init__(self, folder: Path, stack: str, providers: Providers, size: int = 1, /, **environment: str) -> None:
        self.providers = providers
        self.armed, self.killed = folder / "armed", folder / "killed"
        self._starts = 0
        super().__init__(
            folder,
            "sqlite" if stack == "sqlite" else "postgresql",
            size,
            engine=stack if stack in ("celery", "huey") else "worker",
            **providers.environment(),
            DJANGO_SETTINGS_MODULE="tests.chaos.settings",
            CHAOS_FOLDER=str(folder),
            TWILIO_INBOUND="https://shop.example/notifier/twilio/answers/",
            **environment,
        )

    # --- Killing and reviving -------------------------------------------------------------------------------------

    def arm(self, point: str, kind: str) -> None:
        """The next process of this kind that comes to this point dies there."""
        self.killed.unlink(missing_ok=True)
        ready = self.armed.with_suffix(".tmp")
        ready.write_text(f"{point}\n{kind}")
        ready.rename(self.armed)

    def disarm(self) -> None:
        self.armed.unlink(missing_ok=True)

    def services(self) -> list[subprocess.Popen[bytes]]:
        """The processes that are meant to run, each at a place that its successors keep."""
        return list(self._processes)

    def revive(self, *, wait: bool = True) -> int:
        """Start what has died, as a supervisor would; how many that were."""
        dead = [place for place, process in enumerate(self._processes) if process.poll() is not None]
        for place in dead:
            process = self._processes[place]
            self.kill(process)  # its children, if any are left
            self._starts += 1
            self._start(f"{kind_of(process)}-again{self._starts}", *list(process.args)[1:])  # type: ignore[arg-type]  # a list of strings
            self._processes[place] = self._processes.pop()
        if wait and any(kind_of(self._processes[place]) == "granian" for place in dead):
            eventually(self._answers, what="the web process's answer")
        return len(dead)

    # --- Stripe ---------------------------------------------------------------------------------------------------

    def deliver(self, body: dict[str, Any], within: float = 30.0) -> int:
        """Post until it is answered with 200, as Stripe does, only sooner; how many posts it took."""
        end = time.monotonic() + within
        posts = 0
        while time.monotonic() < end:
            posts += 1
            if self.post_once(body) == 200:
                return posts
            self.revive()
            time.sleep(0.1)
        raise AssertionError(f"{body['id']} was not taken within {within:g} s")

    def post_once(self, body: dict[str, Any]) -> int:
        """The status, or 0 when the server hung up."""
        try:
            return self.post(body)
        except (OSError, http.client.HTTPException):
            return 0

    # --- Is it over? ----------------------------------------------------------------------------------------------

    def unsettled(self) -> dict[str, int]:
        soon = self.ago(seconds=-1)
        counts = ", ".join(f"(SELECT count(*) FROM {rest.format(soon=soon)})" for rest in _UNSETTLED.values())
        [row] = self.rows(f"SELECT {counts}")
        return {name: count for name, count in zip(_UNSETTLED, row, strict=True) if count}

    def settle(self, within: float = PATIENCE) -> dict[str, int]:
        """Wait until nothing is left to do, reviving what dies; what is left when that takes too long."""
        end = time.monotonic() + within
        while (left := self.unsettled()) and time.monotonic() < end:
            self.revive()
            time.sleep(0.1)
        return left

    def evidence(self) -> Path:
        """What is left for whoever asks why: the folder of the logs, with the tries and what the providers took."""
        lines = [
            " ".join(str(value) for value in row)
            for row in self.rows(
                "SELECT a.id, t.channel, a.reference, a.result, a.code, a.started_at, a.finished_at, p.notification_id,"
                " n.alert_id, p.reason, p.from_seq, p.to_seq FROM swa_notifier_attempt a"
                " JOIN swa_notifier_target t ON t.id = a.target_id"
                " LEFT JOIN swa_notifier_attemptpart p ON p.attempt_id = a.id"
                " LEFT JOIN swa_notifier_notification n ON n.id = p.notification_id ORDER BY a.id, p.id"
            )
        ]
        told = [one.text for one in everything_told(self.providers)]
        (self.folder / "evidence.txt").write_text("\n".join(["TRIES", *lines, "", "TAKEN", *told]))
        return self.folder


def kind_of(process: subprocess.Popen[bytes]) -> str:
    arguments = [str(argument) for argument in process.args]  # type: ignore[union-attr]  # a list
    return next(kind for kind in KINDS if any(kind in argument for argument in arguments[1:4]))
