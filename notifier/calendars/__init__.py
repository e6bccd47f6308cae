"""Rotations that others keep in a calendar: fetched, read, and kept as they were read last."""
