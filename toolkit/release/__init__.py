"""Releases: what was applied and served, kept in the state bucket so that any machine can go back to it."""

from toolkit.release.record import Release
from toolkit.release.store import Releases

__all__ = ["Release", "Releases"]
