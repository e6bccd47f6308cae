"""Who is on call, by the settings and by the tables of overrides and of past handovers."""
