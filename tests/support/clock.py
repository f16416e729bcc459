"""The clock that days, weeks and months begin by."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.support.patience import wait_for

# Longer than a test takes whose requests must all be of one day.
_BEFORE_MIDNIGHT_SECONDS = 60


def stay_in_one_day() -> None:
    """Go on after midnight (UTC), by which all periods begin, if it is near."""

    def is_early_enough() -> bool:
        now = datetime.now(UTC)
        passed = now - now.replace(hour=0, minute=0, second=0, microsecond=0)
        return passed.total_seconds() < 86_400 - _BEFORE_MIDNIGHT_SECONDS

    wait_for(is_early_enough, "midnight")
