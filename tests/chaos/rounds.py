"""The rounds of a chaos run: what happens in each, decided by the seed alone."""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.support.faults import Fault

COMMANDS = ("apply", "plan and apply", "rollback", "pause", "resume", "destroy", "model stage")
KILLS = ("command", "terraform", "provider", "tree", "cloud")
FAULTS: dict[str, Sequence[Fault]] = {
    "throttling": [Fault.THROTTLE],
    "server errors": [Fault.SERVER_ERROR],
    "resets": [Fault.RESET_BEFORE, Fault.RESET_INSIDE],
    "lost responses": [Fault.LOST_RESPONSE],
    "slow responses": [Fault.SLOW],
}
DISKS = ("cache", "working folder", "output")
KINDS = (
    *(f"kill {target}" for target in KILLS),
    "interrupt",
    *FAULTS,
    "outage",
    *(f"full {disk}" for disk in DISKS),
)
SERVICES = ("s3", "iam", "lambda", "apigateway", "sagemaker", "logs", "monitoring", "application-autoscaling")

# How many requests each command sends, by sender: all, and those that change something. Counted with
# `Proxy.journal`, so that drawn moments are reached; one that is not is reported, and is not a failure.
_REQUESTS: dict[str, dict[str, tuple[int, int]]] = {
    "bootstrap and apply": {"provider": (200, 53), "toolkit": (79, 7), "terraform": (35, 8)},
    "apply": {"provider": (65, 6), "toolkit": (38, 1), "terraform": (17, 5)},
    "create": {"provider": (80, 29), "toolkit": (60, 5), "terraform": (17, 5)},
    "plan and apply": {"provider": (65, 6), "toolkit": (38, 1), "terraform": (17, 5)},
    "rollback": {"provider": (65, 6), "toolkit": (41, 1), "terraform": (17, 5)},
    "pause": {"provider": (53, 3), "toolkit": (33, 1), "terraform": (17, 5)},
    "resume": {"provider": (54, 3), "toolkit": (38, 1), "terraform": (17, 5)},
    "destroy": {"provider": (82, 25), "toolkit": (72, 1), "terraform": (17, 5)},
    "model stage": {"toolkit": (6, 2)},
}


@dataclass(frozen=True)
class Moment:
    """A request at which something happens.

    Attributes:
        sender: whose requests are counted.
        changes: whether only requests that change something are counted.
        number: of the request, from 1.
        phase: "before" the request is executed, or "after" it and before the response.
    """

    sender: str
    changes: bool
    number: int
    phase: str

    def __str__(self) -> str:
        kind = "change" if self.changes else "request"
        return f"{self.phase} {kind} {self.number} of the {self.sender}"


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes:
        number: from 1.
        seed: of the run.
        kind: one of KINDS.
        start: what is deployed before: "new" (an empty cloud), "empty" (the account only), "deployed"; "any"
            continues where the last round ended.
        command: one of COMMANDS.
        converge: the command that has to succeed afterwards: "apply", "again" (the same), "destroy"; with
            "later", the next round continues.
        moment: of a kill or an interrupt.
        signals: of an interrupt; the second one comes with the next request.
        rate: of faults.
        services: with faults; empty for all.
        faults: drawn from.
        first: of an outage's failing requests.
        length: of an outage, in requests.
        free: bytes on a full disk.
        stream: the output that is full: "stdout", "stderr", or "pipe" for a reader that is gone.
    """

    number: int
    seed: str
    kind: str
    start: str
    command: str
    converge: str
    moment: Moment | None = None
    signals: Sequence[str] = ()
    rate: float = 0
    services: Sequence[str] = ()
    faults: Sequence[Fault] = ()
    first: int = 0
    length: int = 0
    free: int = 0
    stream: str = ""

    @property
    def content(self) -> str:
        """The version of the model that this round deploys."""
        return "any" if self.start == "any" else f"round-{self.number}"

    @property
    def end(self) -> str:
        """The state of the environment after the round."""
        if self.kind == "kill cloud":
            return "new"
        if self.command == "model stage":
            return "empty" if self.start == "new" else self.start
        return "empty" if "destroy" in (self.converge, self.command) else "deployed"

    def __str__(self) -> str:
        details = {
            "moment": self.moment,
            "signals": " then ".join(self.signals),
            "rate": f"{self.rate:.0%}" if self.rate else "",
            "services": ", ".join(self.services),
            "outage": f"{', '.join(self.faults)}, {self.length} requests from {self.first}"
            if self.first
            else "",
            "free": f"{self.free:,} bytes" if self.kind.startswith("full") and not self.stream else "",
            "stream": self.stream,
        }
        description = "; ".join(f"{value}" for value in details.values() if value)
        return f"{self.kind} during {self.command} ({self.start}), then {self.converge}: {description}"

    @property
    def repeat(self) -> str:
        """The command that repeats this round alone."""
        return f"make chaos SEED={shlex.quote(self.seed)} ROUND={self.number}"


def plan(seed: str, kinds: Sequence[str] = KINDS) -> Iterator[Round]:
    """Yield the rounds of a seed, without end. Each kind comes once before any comes again."""
    start, number = "new", 0
    while True:
        order = list(kinds)
        random.Random(f"{seed} {number}").shuffle(order)  # noqa: S311
        for kind in order:
            number += 1
            current = _draw(random.Random(f"{seed} {number} {kind}"), number, seed, kind, start)  # noqa: S311
            yield current
            start = current.end


def _draw(chance: random.Random, number: int, seed: str, kind: str, start: str) -> Round:
    command = _command(chance, kind, start)
    converge = (
        "again"
        if command in ("destroy", "model stage")
        else chance.choice(["apply", "apply", "again", "destroy"])
    )
    drawn: dict[str, object] = {}
    if kind.startswith("kill"):
        target = kind.removeprefix("kill ")
        senders = (
            ["provider"] if target in ("terraform", "provider") else ["provider", "toolkit", "terraform"]
        )
        drawn = {"moment": _moment(chance, command, start, senders)}
    elif kind == "interrupt":
        first = chance.choice(["INT", "TERM", "HUP"])
        drawn = {
            "moment": _moment(chance, command, start, ["provider", "toolkit", "terraform"]),
            "signals": (first, *([first] if chance.random() < 0.3 else [])),
        }
    elif kind in FAULTS:
        # Staging sends a handful of requests, to S3.
        several = command != "model stage"
        rates = [0.3, 0.5] if not several else [0.03] if kind == "slow responses" else [0.05, 0.1, 0.2]
        drawn = {
            "faults": tuple(FAULTS[kind]),
            "rate": chance.choice(rates),
            "services": tuple(chance.sample(SERVICES, 2)) if several and chance.random() < 0.3 else (),
        }
    elif kind == "outage":
        service = "s3" if command == "model stage" else chance.choice(SERVICES)
        drawn = {
            "faults": (chance.choice([Fault.THROTTLE, Fault.SERVER_ERROR, Fault.RESET_BEFORE]),),
            "services": (service,),
            "first": chance.randint(1, 4),
            "length": chance.randint(5, 8),
        }
    elif kind == "full output":
        drawn = {"stream": chance.choice(["stdout", "stderr", "pipe"])}
    else:
        most = 2048 if kind == "full cache" else 256
        drawn = {
            "free": chance.choice([0, 4096, chance.randint(1, 64) * 1024, chance.randint(1, most) * 1024])
        }
    return Round(number, seed, kind, start, command, converge, **drawn)  # type: ignore[arg-type]


def _command(chance: random.Random, kind: str, start: str) -> str:
    if kind == "full cache":
        return "model stage" if start == "new" else chance.choice(["model stage", "model stage", "apply"])
    on_toolkit_only = kind in ("kill terraform", "kill provider")
    if start in ("new", "empty"):
        return "model stage" if chance.random() < 0.15 and not on_toolkit_only else "apply"
    commands = [*("apply", "apply", "destroy", "plan and apply", "rollback", "pause", "resume")]
    return chance.choice(commands if on_toolkit_only else [*commands, "model stage"])


def _moment(chance: random.Random, command: str, start: str, senders: Sequence[str]) -> Moment:
    name = command
    if command == "apply":
        name = {"new": "bootstrap and apply", "empty": "create", "deployed": "apply"}[start]
    counts = _REQUESTS[name]
    sender = chance.choice([sender for sender in senders if sender in counts])
    changes = chance.random() < 0.7
    number = chance.randint(1, counts[sender][1 if changes else 0])
    return Moment(sender, changes, number, chance.choice(["before", "after"]))
