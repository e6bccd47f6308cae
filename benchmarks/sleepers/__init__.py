"""A site whose handlers wait for somebody."""
