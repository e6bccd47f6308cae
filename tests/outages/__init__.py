"""Takes away what the site stands on, under load, and gives it back: `python -m tests.outages [--only name]`.

The crash matrix (tests.chaos) kills the site's own processes; here they live and something else goes.
"""
