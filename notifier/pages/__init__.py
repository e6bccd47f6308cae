"""The operator's pages: what is open, how bad, who has it and what to do. They write no table themselves."""
