"""The deployed API: its keys, and a client of it."""
