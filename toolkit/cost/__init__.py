"""Prices of AWS, and estimates of the costs of an environment (ADR 43)."""
