"""What an environment costs: prices of AWS, and estimates that rest on them (ADR 43)."""
