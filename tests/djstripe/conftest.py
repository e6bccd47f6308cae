collect_ignore = ["inside", "site"]  # they run in dj-stripe's own environment: see test_real_djstripe.py
