"""Who is on call: people, rotations and overrides. Its pure parts know neither Django nor settings."""
