"""Deploying an environment: bootstrap, plan, apply, verify, destroy, and what runs afterwards."""
