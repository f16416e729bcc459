"""The smoke test of a deployment."""

from toolkit.smoke.apply import apply_tested
from toolkit.smoke.checks import Check, raise_for_failures, run

__all__ = ["Check", "apply_tested", "raise_for_failures", "run"]
