"""What people read: an alert or a period becomes a Message."""
