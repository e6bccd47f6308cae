"""What people write in NOTIFIER, read, judged and made into a Policy."""
