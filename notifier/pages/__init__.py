"""The operator's pages: what is open, how bad it is, who takes care of it and what to do. They write no table."""
