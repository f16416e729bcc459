"""The smoke test of a deployment."""

from toolkit.smoke.checks import Check, raise_for_failures, run, test

__all__ = ["Check", "raise_for_failures", "run", "test"]
