"""How fast it is, next to others on the same machine: `make bench`, `make bench QUICK=1`."""
