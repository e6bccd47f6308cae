"""Who is on call, with what the tables know: overrides, and the handovers that have happened."""
