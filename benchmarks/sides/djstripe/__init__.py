"""The smallest project around dj-stripe's webhook view, in an environment of its own."""
