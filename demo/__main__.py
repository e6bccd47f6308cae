"""`make demo`: a failing webhook becomes a Slack message, an SMS and an email, and then it is mended.

Ends with 0 when everything happened that it promises, else with 1 and the reason. Stops its processes in any case.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

import django

from demo.screen import Screen
from demo.site import ROOT, BrokenPromiseError, Site, environment
from demo.stripe_api import StripeApi

INTERRUPTED = 130  # as shells say it


def main() -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    folder = _folder()
    logs = f"What the web process and the worker logged: {folder}/*.log"
    stripe_api = StripeApi()
    os.environ.update(environment(folder, stripe_api.url))
    site, screen = Site(folder), Screen()
    keep_logs = False
    try:
        django.setup()
        from demo.story import tell  # imports models, so not before Django is set up

        tell(site, stripe_api, screen)
    except BrokenPromiseError as broken:
        keep_logs = True
        screen.failed(str(broken), logs)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        keep_logs = True
        screen.failed(type(error).__name__, logs)
        raise
    finally:
        site.stop()
        stripe_api.close()
        if not keep_logs:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def _folder() -> Path:
    """One for each run, so that two at once do not meet."""
    var = ROOT / "var"
    var.mkdir(mode=0o700, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="demo-", dir=var))


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
