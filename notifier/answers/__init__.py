"""What people say back, by SMS, Slack, link, page or command: everything goes through one door (door.py)."""
