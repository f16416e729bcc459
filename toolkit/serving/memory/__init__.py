"""GPU and host memory that a model needs: weights, KV cache and overhead, against an instance type.

`config.py` and `gguf.py` read what a model is, `estimate.py` computes whether an engine starts with it
(ADR 41).
"""

from toolkit.serving.memory.architecture import Architecture, UnknownArchitectureError
from toolkit.serving.memory.estimate import Estimate, Settings, Weights, estimate

__all__ = ["Architecture", "Estimate", "Settings", "UnknownArchitectureError", "Weights", "estimate"]
