"""Reads and verifies what Stripe sends, for `webhooks` and for dj-stripe. Pure."""
