"""What columns may hold, as Django's choices."""

from notifier.facts import Category, HeldBy, Reason, Result, Severity, WaitsFor

SEVERITIES = [(int(s), s.label) for s in Severity]
CATEGORIES = [(c.value, c.value) for c in Category]
REASONS = [(r.value, r.value) for r in Reason]
HELD_BY = [(h.value, h.value) for h in HeldBy]
WAITS_FOR = [(w.value, w.value) for w in WaitsFor]
RESULTS = [(r.value, r.value) for r in Result]
