"""Plans: reviewed, approved, saved for a later apply, several at a time."""
