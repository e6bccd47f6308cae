"""Debian's prometheus-alertmanager, told to send at once to a provider of ours."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
from collections.abc import Iterator

from benchmarks import machine
from benchmarks.machine import Setup
from benchmarks.provider import Provider
from benchmarks.result import NotHere

NAME = "Alertmanager"
CONFIG = """
route: {{receiver: slack, group_by: ["..."], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: slack
  slack_configs:
  - api_url: {url}/services/T0/B0/x
    channel: "#payments"
    text: '{{{{ (index .Alerts 0).Annotations.summary }}}}'
"""


class Alertmanager:
    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def post(self, *marks: str) -> None:
        """One alert for each mark, each of them a group of its own."""
        alerts = [
            {"labels": {"alertname": "failed", "event": mark}, "annotations": {"summary": f"evt_{mark} failed"}}
            for mark in marks
        ]
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/api/v2/alerts", json.dumps(alerts), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{NAME} answers {answer.status}: {text[:200]!r}")


@contextlib.contextmanager
def running(setup: Setup, provider: Provider) -> Iterator[Alertmanager]:
    """Raises NotHere."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        raise NotHere("No prometheus-alertmanager here. On Debian: apt install prometheus-alertmanager.")
    config = setup.folder / "alertmanager.yml"
    config.write_text(CONFIG.format(url=provider.url))
    port = machine.free_port()
    command = [
        program,
        f"--config.file={config}",
        f"--storage.path={setup.folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with machine.running(setup, command, {}):
        machine.until(lambda: machine.listens(port), NAME)
        yield Alertmanager(port)
