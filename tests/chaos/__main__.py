"""Random kills, faults and full disks, and the same invariants after each.

    make chaos [ROUNDS=n] [SEED=s] [ROUND=n]

The seed decides everything: the same seed plays the same rounds. ROUND plays one of them alone.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from tests.chaos import disk
from tests.chaos.invariants import STATES, Cloud
from tests.chaos.play import Outcome, play
from tests.chaos.rounds import KINDS, Round, plan
from tests.chaos.site import Site, opened
from tests.support.checkout import ROOT, forget_settings

KEPT = ROOT / "build" / "chaos"


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the rounds; returns 0 if all are good, 1 otherwise, 130 after Ctrl-C."""
    options = _options(arguments)
    seed = options.seed or secrets.token_hex(4)
    first = options.round or 1
    chosen = list(islice(plan(seed), first - 1, options.round or options.rounds))
    # A pipeline's SIGTERM ends like Ctrl-C: nothing is left running.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    forget_settings()
    print(f"seed {seed}, {len(chosen)} rounds", flush=True)
    run = Run(parts(chosen, options.jobs))
    interrupted = run.play()
    print(run.table(seed), flush=True)
    return 130 if interrupted else int(any(outcome.failures for outcome in run.outcomes))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=len(KINDS))
    parser.add_argument("--seed", default="")
    parser.add_argument("--round", type=int, default=0, help="play this round alone")
    parser.add_argument("--jobs", type=int, default=1, help="sites that play at the same time")
    return parser.parse_args(arguments)


def parts(chosen: Sequence[Round], number: int) -> list[list[Round]]:
    """Divide the rounds into parts that follow each other: most rounds start where the last one ended."""
    size = -(-len(chosen) // number)
    return [list(chosen[start : start + size]) for start in range(0, len(chosen), size)]


@dataclass
class Run:
    """All rounds, each part on a separate site.

    Attributes:
        parts: of the rounds.
        outcomes: of the rounds played so far.
    """

    parts: Sequence[Sequence[Round]]
    outcomes: list[Outcome] = field(default_factory=list)
    _sites: list[Site] = field(default_factory=list)
    _stopping: bool = False
    _began: float = field(default_factory=time.monotonic)

    def play(self) -> bool:
        """Play them; returns whether Ctrl-C ended it early."""
        with ThreadPoolExecutor(len(self.parts)) as pool:
            futures = [pool.submit(self._part, part) for part in self.parts]
            try:
                for future in as_completed(futures):
                    future.result()
            except KeyboardInterrupt:
                for number in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, signal.SIG_IGN)
                print("interrupted: ending the commands and their clouds", flush=True)
                self._stopping = True
                for site in list(self._sites):
                    site.abort()
        return self._stopping

    def _part(self, part: Sequence[Round]) -> None:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder, opened(Path(folder)) as site:
            self._sites.append(site)
            for current in self._unless_stopping(part):
                if skipped := _impossible(current):
                    print(f"{current.number:3} {current}: not possible here: {skipped}", flush=True)
                    continue
                outcome = _play(site, current)
                if self._stopping:
                    return
                self.outcomes.append(outcome)
                print(_told(site, outcome), flush=True)
                if outcome.failures:
                    # The next rounds must not suffer from it.
                    site.start_cloud()
            self._sites.remove(site)

    def _unless_stopping(self, part: Sequence[Round]) -> Iterator[Round]:
        for current in part:
            if self._stopping:
                return
            yield current

    def table(self, seed: str) -> str:
        """Return the counts by kind."""
        minutes = (time.monotonic() - self._began) / 60
        rows = [f"{'kind':22}{'rounds':>8}{'happened':>10}{'failed':>8}{'seconds':>9}"]
        for kind in KINDS:
            if of_kind := [outcome for outcome in self.outcomes if outcome.round.kind == kind]:
                rows.append(_row(kind, of_kind))
        rows += [_row("all", self.outcomes), f"seed {seed}, {minutes:.1f} minutes"]
        failed = sorted(outcome.round.number for outcome in self.outcomes if outcome.failures)
        return "\n".join(
            ["", *rows, *(f"failed: make chaos SEED={seed} ROUND={number}" for number in failed)]
        )


def _row(name: str, outcomes: Sequence[Outcome]) -> str:
    happened = sum(outcome.reached for outcome in outcomes)
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    return f"{name:22}{len(outcomes):8}{happened:10}{failed:8}{seconds:9.0f}"


def _impossible(current: Round) -> str:
    if current.kind in ("full cache", "full working folder") and not disk.is_possible():
        return "this machine allows no mount namespaces"
    return ""


def _play(site: Site, current: Round) -> Outcome:
    try:
        return play(site, current)
    except Exception as error:  # noqa: BLE001 - reported like any other failure of the round
        failure = f"the round could not be played: {type(error).__name__}: {error}"
        return Outcome(current, [failure], results=site.results)


def _told(site: Site, outcome: Outcome) -> str:
    state = "FAILED" if outcome.failures else "ok" if outcome.reached else "ok, nothing happened"
    line = f"{outcome.round.number:3} {outcome.round}"
    line += f"\n    {state}, exit codes {outcome.codes}, {outcome.seconds:.0f} s"
    return f"{line}\n{report(outcome, keep(site, outcome))}" if outcome.failures else line


def report(outcome: Outcome, kept: Path) -> str:
    """Return what was asked, and how to repeat the round."""
    lines = [f"    {line}" for failure in outcome.failures for line in failure.splitlines()[:40]]
    return "\n".join([*lines, f"    files: {kept}", f"    repeat with: {outcome.round.repeat}"])


def keep(site: Site, outcome: Outcome) -> Path:
    """Keep everything that explains a failed round; returns its folder."""
    folder = KEPT / f"{outcome.round.seed}-{outcome.round.number}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    summary = [str(outcome.round), *outcome.failures, "", outcome.round.repeat]
    (folder / "round.txt").write_text("\n".join(summary) + "\n")
    (folder / "commands.txt").write_text("\n".join(map(str, outcome.results)))
    (folder / "requests.txt").write_text("\n".join(map(str, outcome.journal)) + "\n")
    if site.build.is_dir():
        shutil.copytree(
            site.build, folder / "build", symlinks=True, ignore=shutil.ignore_patterns("terraform-data")
        )
    for log in [*site.folder.glob("cloud-*/cloud.log"), *site.project.glob("build/.cloud/cloud.log")]:
        shutil.copy2(log, folder / f"{log.parent.name}.log")
    try:
        for key in STATES:
            (folder / Path(key).name).write_text(json.dumps(Cloud(site.client).state(key), indent=1))
    except Exception as error:  # noqa: BLE001 - the cloud may be dead
        (folder / "state.txt").write_text(f"cannot read the state: {error}\n")
    return folder


if __name__ == "__main__":
    sys.exit(main())
