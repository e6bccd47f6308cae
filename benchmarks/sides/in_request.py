"""What one request does, counted inside the site's own process: SQL statements and HTTP calls to anybody.

BEGIN, COMMIT and savepoints count as statements. Printed as JSON; the most of a few requests that are far enough apart
for nothing to be saved by a cache of the last milliseconds.
"""

import http.client
import json
import sys
import time
from typing import Any

import django
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks.events import Template
from benchmarks.machine import SECRET

django.setup()
_calls = 0
_putrequest = http.client.HTTPConnection.putrequest


def _counted(self: http.client.HTTPConnection, *arguments: Any, **named: Any) -> None:
    global _calls
    _calls += 1
    _putrequest(self, *arguments, **named)


def main(path: str, kind: str, run: str) -> dict[str, int]:
    global _calls
    http.client.HTTPConnection.putrequest = _counted  # type: ignore[method-assign]  # every library ends there
    template = Template(kind, SECRET, int(run))
    client = Client(headers={"host": "127.0.0.1"})
    statements, calls = [], []
    for number in range(5):
        body = template.body(number)
        _calls = 0
        with CaptureQueriesContext(connection) as captured:
            answer = client.post(
                path, body, content_type="application/json", headers={"stripe-signature": template.sign(body)}
            )
        if answer.status_code != 200:
            raise SystemExit(f"{answer.status_code}: {answer.content!r}")
        statements.append(len(captured))
        calls.append(_calls)
        time.sleep(0.05)
    return {"statements": max(statements[1:]), "calls": max(calls[1:])}  # the first one also loads things


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
