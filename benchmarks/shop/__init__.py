"""A site with handlers that do next to nothing, and handlers that fail."""
