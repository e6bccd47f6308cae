"""Rotations that are kept in a calendar elsewhere: fetched, read, and stored as they were read last."""
