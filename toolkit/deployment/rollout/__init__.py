"""Verified rollouts: wait for SageMaker, repair, verify, and show the status of endpoints."""
