"""Check whether this machine and account are ready."""

from toolkit.preflight.doctor import Finding, examine

__all__ = ["Finding", "examine"]
