"""Measures the latency and throughput of a deployed model."""
