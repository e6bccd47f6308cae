"""One waits while it holds its transaction, one before it."""

import os
import time

from webhooks.events import StripeEvent
from webhooks.handlers import on

SECONDS = float(os.environ["SLEEP_SECONDS"])


@on("charge.pending")
def inside(event: StripeEvent) -> None:
    time.sleep(SECONDS)


@on("charge.expired", atomic=False)
def outside(event: StripeEvent) -> None:
    time.sleep(SECONDS)
