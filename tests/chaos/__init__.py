"""Kills the processes of a whole site where it hurts, and counts what was lost or doubled: `python -m tests.chaos`."""

# Slack's channels: the token may read the history of one.
READABLE, UNREADABLE = "C0READABLE1", "C0NOHISTORY"
BEFORE, AFTER = "+4915112345670", "+4915112345671"  # the numbers of who was on call, and of who took that over
