"""One command at a time on an environment."""
