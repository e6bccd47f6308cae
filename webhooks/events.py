"""StripeEvent, as handlers and receivers get it."""

from alerts_runtime.stripe_data.event import SNAPSHOT, THIN, StripeEvent, parse

__all__ = ["SNAPSHOT", "THIN", "StripeEvent", "parse"]
