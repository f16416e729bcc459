"""The smoke test: does a rollout really serve?"""

from toolkit.smoke.run import Check, raise_for_failures, run
from toolkit.smoke.tested import apply_tested

__all__ = ["Check", "apply_tested", "raise_for_failures", "run"]
