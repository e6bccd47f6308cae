"""Who is on call: people, rotations, and whose turn it is."""
