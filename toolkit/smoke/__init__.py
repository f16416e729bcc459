"""The smoke test: does a rollout really serve?"""

from toolkit.smoke.run import Check, run

__all__ = ["Check", "run"]
