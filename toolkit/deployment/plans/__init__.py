"""Plans: made, judged, told, saved with what they were made of; and what differs without one (drift)."""
