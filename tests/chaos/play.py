"""Play a round: inject the fault, run the user's next command, and check the invariants."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil

from tests.chaos import disk, invariants
from tests.chaos.invariants import NO_CHANGES, Cloud, Snapshot
from tests.chaos.rounds import Round
from tests.chaos.site import COMMIT, ENV, REPOSITORY, STAGED, HangingError, Result, Site, furnish_cache
from tests.support import hub as hubs
from tests.support.faults import AwsRequest, Chooser, Entry, Outage, Rate, no_faults
from tests.support.hub import Repository

LOCAL = ("--env", ENV)
FILE, WEIGHTS = "m.gguf", random.Random(0).randbytes(3 * 1024 * 1024)  # noqa: S311


@dataclass
class Outcome:
    """A played round.

    Attributes:
        round: what was planned.
        failures: violated invariants; empty for a successful round.
        reached: whether the trouble happened: the moment came, a fault was injected, a write failed.
        codes: exit codes of the troubled commands.
        seconds: how long it took.
        results: of all commands.
        journal: requests of the troubled commands.
    """

    round: Round
    failures: list[str] = field(default_factory=list)
    reached: bool = False
    codes: list[int] = field(default_factory=list)
    seconds: float = 0
    results: list[Result] = field(default_factory=list)
    journal: list[Entry] = field(default_factory=list)


def play(site: Site, current: Round) -> Outcome:
    """Play a round on a site, from any state that the site is in."""
    outcome, began = Outcome(current), time.monotonic()
    site.results = outcome.results
    try:
        prepare(site, current)
        before = (
            Snapshot(frozenset(), {}, {}) if current.kind == "kill cloud" else Cloud(site.client).snapshot()
        )
        del site.results[:]
        with _hub(site, current), _disk(site, current) as release:
            trouble(site, current, outcome)
            release()
            outcome.failures += follow(site, current)
        if current.converge != "later":
            outcome.failures += check(site, current, before)
    except HangingError as error:
        outcome.failures.append(str(error))
    finally:
        site.proxy.begin()
        site.prefix = ()
        site.environment.clear()
    outcome.failures += invariants.undocumented(site.results, invariants.documented_codes())
    outcome.seconds = time.monotonic() - began
    return outcome


def prepare(site: Site, current: Round) -> None:
    """Bring the site to the state in which the round starts."""
    site.proxy.begin()
    if current.command == "model stage":
        shutil.rmtree(site.cache / "hub", ignore_errors=True)
        Cloud(site.client).empty(invariants.STORE)
    if current.start == "any":
        site.declare(current.content)
        for key in Cloud(site.client).locks():
            stack = "account" if key.startswith("account/") else "inference"
            _must(site, "unlock", *LOCAL, "--stack", stack, "--yes")
        return
    if current.start == "new":
        if list(Cloud(site.client).resources()):
            site.start_cloud()
        site.declare(current.content)
        return
    cloud = Cloud(site.client)
    deployed = bool(cloud.state(invariants.STATES[1]).get("resources"))
    if current.start == "empty":
        if deployed:
            _must(site, "destroy", *LOCAL, "--yes")
        elif not cloud.state(invariants.STATES[0]):
            _must(site, "bootstrap", *LOCAL, "--yes")
    else:
        releases = cloud.released()
        needed = 2 if current.command == "rollback" else 1
        for number in range(max(needed - len(releases), 0 if deployed else 1)):
            site.declare(f"{current.content}-before-{number}")
            _must(site, "apply", *LOCAL)
        if current.command == "resume":
            _must(site, "pause", *LOCAL, "--yes")
    if current.command in ("apply", "plan and apply"):
        site.declare(current.content)


def _must(site: Site, *arguments: str) -> Result:
    result = site.run(*arguments)
    assert result.code == 0, f"cannot prepare the round:\n{result}"
    return result


def arguments_of(command: str) -> list[tuple[str, ...]]:
    """The commands as a user types them."""
    if command == "plan and apply":
        return [("plan", *LOCAL), ("apply", *LOCAL, "--plan", f"build/{ENV}/plan")]
    if command == "model stage":
        return [("model", "stage", "--env", STAGED, "echo")]
    return [(command, *LOCAL, "--yes")]


def trouble(site: Site, current: Round, outcome: Outcome) -> None:
    """Run the round's command with what goes wrong."""
    striker = _Striker(site, current)
    chooser: Chooser = no_faults
    if current.first:
        chooser = Outage(current.faults[0], current.services[0], current.first, current.length)
    elif current.faults:
        chooser = Rate(f"{current.seed} {current.number}", current.faults, current.rate, current.services)
    site.proxy.begin(chooser, striker.observe if current.moment else None)
    for arguments in arguments_of(current.command):
        result = site.run(*arguments, started=striker.follow, full=current.stream)
        result.killed = striker.struck and current.kind in ("kill command", "kill tree")
        outcome.codes.append(result.code)
        if result.code != 0:
            break
    # Child processes of a killed command end by themselves.
    site.wait_for_processes()
    outcome.journal = list(site.proxy.journal)
    if current.moment:
        outcome.reached = striker.struck
    elif current.faults:
        outcome.reached = any(entry.fault for entry in outcome.journal)
    else:
        outcome.reached = any(outcome.codes)


class _Striker:
    """Kills or interrupts at the round's moment."""

    def __init__(self, site: Site, current: Round) -> None:
        self._site, self._round = site, current
        self._started = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._counted = 0
        self._again = list(current.signals[1:])
        self._lock = threading.Lock()
        self.struck = False

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        """Strike this command."""
        self._process = process
        self._started.set()

    def observe(self, request: AwsRequest, phase: str) -> None:
        """Called for each request, twice."""
        moment = self._round.moment
        assert moment is not None
        if phase != moment.phase or request.sender != moment.sender:
            return
        if moment.changes and not request.changes:
            return
        self._started.wait()
        with self._lock:
            self._counted += 1
            if self._counted == moment.number:
                self.struck = True
                self._strike(self._round.signals[0] if self._round.signals else "KILL")
            elif self.struck and self._again:
                self._strike(self._again.pop())

    def _strike(self, name: str) -> None:
        assert self._process is not None
        number = getattr(signal, f"SIG{name}")
        if self._round.kind == "kill cloud":
            self._site.kill_cloud()
            # The provider would repeat its requests for a quarter of an hour.
            self._process.send_signal(signal.SIGINT)
            return
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            root = psutil.Process(self._process.pid)
            family = [root, *root.children(recursive=True)]
            for process in family:
                if self._round.kind in ("interrupt", "kill command"):
                    matches = process == root
                elif self._round.kind == "kill tree":
                    matches = True
                else:
                    is_provider = "provider" in process.name()
                    matches = process.name().startswith("terraform") and is_provider == (
                        self._round.kind == "kill provider"
                    )
                if matches:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.send_signal(number)


def follow(site: Site, current: Round) -> list[str]:
    """Run what a user runs next; returns what did not succeed."""
    site.proxy.begin()
    if current.converge == "later":
        return []
    if current.command == "model stage":
        return invariants.converge(site.run, arguments_of(current.command))
    # With its cloud, the environment is gone.
    if "destroy" in (current.converge, current.command) and current.kind != "kill cloud":
        return invariants.converge(site.run, [("destroy", *LOCAL, "--yes")])
    failures: list[str] = []
    if current.converge == "again" and current.kind != "kill cloud":
        failures += _repeat(site, current)
    failures += invariants.converge(site.run, [("apply", *LOCAL)])
    if NO_CHANGES not in site.results[-1].output:
        failures += invariants.converge(site.run, [("apply", *LOCAL)])
    if NO_CHANGES not in site.results[-1].output:
        failures.append("a further apply still changes something")
    return failures


def _repeat(site: Site, current: Round) -> list[str]:
    """Run the same command again; it may already be done."""
    for arguments in arguments_of(current.command):
        failures = invariants.converge(site.run, [arguments])
        output = site.results[-1].output
        if failures and any(done in output for done in ("already paused", "is not paused", "no release yet")):
            return []
        if failures:
            return failures
    return []


def check(site: Site, current: Round, before: Snapshot) -> list[str]:
    """Violated invariants of the cloud and the state bucket."""
    cloud = Cloud(site.client)
    destroyed = current.end == "empty"
    failures = invariants.orphans(cloud) + invariants.unused_keys(cloud)
    failures += invariants.lost(before, cloud.snapshot(), destroyed=destroyed)
    failures += [f"still locked: {key}" for key in cloud.locks()]
    failures += [f"still running: {' '.join(process.cmdline()[:3])}" for process in site.processes()]
    if current.command == "model stage":
        staged = {key for bucket, key, _ in cloud.versions() if bucket == invariants.STORE}
        s3, files = cloud.client("s3"), [key for key in staged if key.endswith(FILE)]
        stored = [s3.get_object(Bucket=invariants.STORE, Key=key)["Body"].read() for key in files]
        if stored != [WEIGHTS]:
            failures.append(f"the weights are not in the model store: {sorted(staged)}")
    return failures


@contextlib.contextmanager
def _hub(site: Site, current: Round) -> Iterator[None]:
    if current.command != "model stage":
        yield
        return
    with hubs.running() as hub:
        hub.repositories[REPOSITORY] = Repository({FILE: WEIGHTS}, {FILE}, COMMIT)
        site.environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(site.folder / "hf")}
        yield


@contextlib.contextmanager
def _disk(site: Site, current: Round) -> Iterator[Callable[[], None]]:
    """Fill the round's disk; yields what frees space on it."""
    if current.kind not in ("full cache", "full working folder"):
        yield lambda: None
        return
    build = site.project / "build" / (STAGED if current.command == "model stage" else ENV)
    folder = site.cache if current.kind == "full cache" else build
    with disk.mounted(folder, site.project) as small:
        if current.kind == "full cache":
            furnish_cache(small.view)
        else:
            shutil.copytree(folder, small.view, symlinks=True, dirs_exist_ok=True)
        small.fill(current.free)
        site.prefix = small.prefix
        yield small.release
