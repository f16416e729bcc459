"""Serving engines: their container images, what hardware runs them, how they are configured."""
