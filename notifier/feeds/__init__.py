"""Who is on call, as a calendar that others subscribe to."""
