"""The smoke test: does a rollout really serve?"""

from toolkit.smoke.apply import apply_tested
from toolkit.smoke.checks import Check, raise_for_failures, run

__all__ = ["Check", "apply_tested", "raise_for_failures", "run"]
