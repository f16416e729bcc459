"""Serving engines: container images, hardware and configuration."""
