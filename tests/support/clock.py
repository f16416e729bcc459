"""The clock that determines days, weeks and months."""

from __future__ import annotations

from datetime import UTC, datetime

from tests.support.patience import wait_for

# Longer than a test whose requests must all be on the same day.
_BEFORE_MIDNIGHT_SECONDS = 60


def stay_in_one_day() -> None:
    """Wait until after midnight (UTC), when all periods begin, if it is near."""

    def is_early_enough() -> bool:
        now = datetime.now(UTC)
        since_midnight = now - now.replace(hour=0, minute=0, second=0, microsecond=0)
        return since_midnight.total_seconds() < 86_400 - _BEFORE_MIDNIGHT_SECONDS

    wait_for(is_early_enough, "midnight")
