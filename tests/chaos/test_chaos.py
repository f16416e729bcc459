"""One short round of each kind of `make chaos`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos import disk
from tests.chaos.play import play
from tests.chaos.rounds import KINDS, Moment, Round
from tests.chaos.site import Site, opened
from tests.support.faults import Fault

pytestmark = pytest.mark.e2e

# Staging takes seconds, an apply half a minute.
STAGE = {"start": "any", "command": "model stage", "converge": "again"}
LATER = {"start": "any", "command": "apply", "converge": "later"}


def drawn(number: int, kind: str, **details: object) -> Round:
    return Round(number, "make test", kind, **details)  # type: ignore[arg-type]


def change(sender: str, number: int, phase: str = "after") -> Moment:
    return Moment(sender, True, number, phase)


def failing(first: int, length: int, fault: Fault) -> dict[str, object]:
    return {"faults": (fault,), "services": ("s3",), "first": first, "length": length}


# An apply that is killed and continued three times, and converges at the end; then all that staging meets.
ROUNDS = [
    drawn(1, "kill provider", **LATER, moment=change("provider", 30)),
    drawn(2, "kill terraform", **LATER, moment=change("provider", 6, "before")),
    drawn(3, "kill tree", **LATER | {"converge": "apply"}, moment=change("provider", 5)),
    drawn(4, "kill command", **STAGE, moment=change("toolkit", 1, "before")),
    drawn(5, "interrupt", **STAGE, moment=change("toolkit", 1), signals=("TERM",)),
    # Staging sends a handful of requests: a rate could miss all of them.
    drawn(6, "throttling", **STAGE, **failing(2, 2, Fault.THROTTLE)),
    drawn(7, "server errors", **STAGE, **failing(3, 2, Fault.SERVER_ERROR)),
    drawn(8, "resets", **STAGE, **failing(2, 3, Fault.RESET_INSIDE)),
    drawn(9, "lost responses", **STAGE, **failing(4, 2, Fault.LOST_RESPONSE)),
    drawn(10, "slow responses", **STAGE, **failing(1, 1, Fault.SLOW)),
    drawn(11, "outage", **STAGE, **failing(3, 8, Fault.SERVER_ERROR)),
    drawn(12, "full cache", **STAGE, free=1024 * 1024),
    drawn(13, "full working folder", **LATER | {"converge": "apply"}, free=0),
    drawn(14, "full output", **STAGE, stream="stderr"),
    drawn(15, "kill cloud", **STAGE, moment=change("toolkit", 1)),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(tmp_path_factory.mktemp("chaos") / "site") as site:
        yield site


def test_the_rounds_are_of_each_kind() -> None:
    assert sorted(current.kind for current in ROUNDS) == sorted(KINDS)


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("current", ROUNDS, ids=lambda current: current.kind)
def test_the_environment_recovers(site: Site, current: Round) -> None:
    if current.kind in ("full cache", "full working folder") and not disk.is_possible():
        pytest.skip("this machine allows no mount namespaces")
    outcome = play(site, current)
    story = "\n".join(map(str, [*outcome.results, *outcome.journal]))
    assert outcome.failures == [], story
    assert outcome.reached, story
