"""Releases: an apply becomes one, and is gone back to."""
