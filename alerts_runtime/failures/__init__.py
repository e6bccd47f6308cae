"""Judges exceptions: the facts that an exception has, and one table of what they mean (category, transient, retry).

`reading.read` takes the facts out of an exception at the moment it is caught; `judging.judge` finds its kind by them.
Both are pure. Both apps use them, so that messages promise only retries that the worker really makes.
"""
