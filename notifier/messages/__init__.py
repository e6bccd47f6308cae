"""Makes the messages that people read, from alerts, digests and notes."""
