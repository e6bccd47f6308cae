"""What Stripe sends, read: for whoever receives it, `webhooks` or dj-stripe. Pure."""
