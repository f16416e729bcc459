"""Judgements of a model by its expectations, asked of one of the fleets of an endpoint."""

from __future__ import annotations

import itertools
import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.exceptions import (
    ClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from toolkit import documents
from toolkit.aws.access import AwsAccess
from toolkit.environment import Model
from toolkit.environment.expectations import Expectation

# An expectation fails if at least four of five answers do. A model that answers wrongly one time in ten fails
# it with a probability of 0.04 %, and one that always does with certainty.
ATTEMPTS, FAILURES = 5, 4
# The probability that none of a request's repetitions reaches the new fleet is less than e^-7, or 0.1 %.
_PATIENCE = 7
# Requests at a time: the fleet also serves clients.
_CONCURRENCY = 4
# How often a thread looks whether it has to end, in seconds.
_POLL_SECONDS = 0.2
# Responses of the fleet, or of SageMaker on its behalf; others mean that no fleet was asked.
_MODEL_ERRORS = frozenset(
    {
        "InternalDependencyException",
        "InternalFailure",
        "ModelError",
        "ModelNotReadyException",
        "ServiceUnavailable",
        "ThrottlingException",
    }
)

# A request that took too long, or whose response ended early. All other errors of a connection come before a
# fleet is asked, such as those of this machine's network.
_INTERRUPTED = (ReadTimeoutError, ResponseStreamingError, IncompleteReadError)

Send = Callable[[dict[str, Any]], bytes]


class _Response(documents.OpenDict, total=False):
    """A response of a model, as far as it names the model."""

    model: str


class Verdict(Protocol):
    """The judgement of one answer."""

    @property
    def name(self) -> str:
        """The expectation."""

    @property
    def ok(self) -> bool:
        """Whether it is met."""

    @property
    def detail(self) -> str:
        """The answer, or how it differs."""


# Asks a model what its expectations ask, with a function that sends one request.
Judge = Callable[[Model, Send], Iterable[Verdict]]


class _StoppedError(Exception):
    """The rollout has moved on."""


class _UnreachedError(Exception):
    """The new fleet did not respond to any repetition of a request."""


class _ModelFailedError(Exception):
    """The model failed instead of answering."""


@dataclass(frozen=True)
class Finding:
    """An expectation, judged by several answers.

    Attributes:
        name: the expectation, with its variant if there are several.
        met: whether the model meets it.
        responses: number of answers.
        failures: number of those that did not meet it.
        detail: the last of these.
    """

    name: str
    met: bool
    responses: int = 1
    failures: int = 0
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.failures} of {self.responses} answers failed: {self.detail}"


def decide(name: str, ask: Callable[[], tuple[bool, str]]) -> Finding:
    """Ask until an expectation is met or fails; one answer is enough if it is right.

    Args:
        name: the expectation.
        ask: returns whether an answer is right, and what it was.
    """
    failures: list[str] = []
    for responses in range(1, ATTEMPTS + 1):
        met, detail = ask()
        if not met:
            failures.append(detail)
        if not failures or responses - len(failures) > ATTEMPTS - FAILURES:
            return Finding(name, True, responses, len(failures))
        if len(failures) == FAILURES:
            return Finding(name, False, responses, len(failures), failures[-1])
    raise AssertionError("the attempts decide")


@dataclass(frozen=True)
class Fleet:
    """The fleet to ask.

    Attributes:
        endpoint: the endpoint.
        served_names: name of the model in the responses of each of its variants; None if it has none.
        old_names: the same of the fleet that it replaces.
        share: its share of the traffic, from 0 to 1.
    """

    endpoint: str
    served_names: Mapping[str, str | None]
    old_names: Mapping[str, str | None] = field(default_factory=dict)
    share: float = 1.0

    @property
    def is_known_by_name(self) -> bool:
        """Whether the responses of every variant show that they are not of the old fleet."""
        names = self.served_names.items()
        return all(name is not None and name != self.old_names.get(variant) for variant, name in names)

    def is_sender(self, variant: str, name: str | None) -> bool:
        """Whether a response with this name is the fleet's.

        With all of the traffic it is, unless the name is that of the old fleet: a shift takes a moment.
        """
        served_name, old_name = self.served_names[variant], self.old_names.get(variant)
        if self.share < 1:
            return name == served_name
        return name is None or name != old_name or served_name == old_name

    @property
    def repetitions(self) -> int:
        """Number of times that a request is sent at most, until the fleet responds."""
        return math.ceil(_PATIENCE / self.share)


@dataclass
class _Sender:
    """Sends requests until one variant of a fleet responds."""

    access: AwsAccess
    fleet: Fleet
    variant: str
    end: threading.Event
    on_response: Callable[[], None]

    def __call__(self, body: dict[str, Any]) -> bytes:
        target = {"TargetVariant": self.variant} if len(self.fleet.served_names) > 1 else {}
        for _ in range(self.fleet.repetitions):
            if self.end.is_set():
                raise _StoppedError
            try:
                response = self.access.sagemaker_runtime.invoke_endpoint(
                    EndpointName=self.fleet.endpoint,
                    ContentType="application/json",
                    Body=json.dumps(body),
                    **target,
                )
                content = response["Body"].read()
            except (ClientError, *_INTERRUPTED) as error:
                if isinstance(error, ClientError) and error.response["Error"]["Code"] not in _MODEL_ERRORS:
                    raise
                if self.fleet.share < 1:
                    continue  # of any fleet; the other alarms watch errors
                raise _ModelFailedError(str(error)) from error
            if self.fleet.is_sender(self.variant, _name_in(content)):
                self.on_response()
                return content
        raise _UnreachedError


def _name_in(content: bytes) -> str | None:
    try:
        return documents.parse(content, _Response).get("model")
    except documents.DamagedError:
        return None


class Judgement:
    """The expectations of a model, asked of a fleet by threads.

    Args:
        access: the account.
        model: the model.
        fleet: the fleet.
        judge: asks and judges.

    Attributes:
        findings: those so far.
        errors: why some are missing.
        responses: number of answers of the fleet.
        total: number of findings at the end.
    """

    def __init__(self, access: AwsAccess, model: Model, fleet: Fleet, judge: Judge) -> None:
        self._access, self._model, self._fleet, self._judge = access, model, fleet, judge
        self._end = threading.Event()
        self._lock = threading.Lock()
        self.findings: list[Finding] = []
        self.errors: list[Exception] = []
        self.responses = 0
        self._waiting = deque(itertools.product(fleet.served_names, model.expectations))
        self.total = len(self._waiting)
        # Daemons: an interrupted command does not wait for a model.
        self._threads = [
            threading.Thread(target=self._work, name=f"quality of {fleet.endpoint}", daemon=True)
            for _ in range(min(_CONCURRENCY, self.total))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def failed(self) -> list[Finding]:
        """The expectations that are not met, so far."""
        with self._lock:
            return [finding for finding in self.findings if not finding.met]

    @property
    def is_running(self) -> bool:
        """Whether it has not finished."""
        return any(thread.is_alive() for thread in self._threads)

    @property
    def is_complete(self) -> bool:
        """Whether every expectation is judged."""
        return len(self.findings) == self.total

    def stop(self) -> None:
        """End after the requests in progress."""
        self._end.set()

    def wait(self) -> None:
        """Wait until it has finished; Ctrl-C ends the waiting."""
        while self.is_running:
            time.sleep(_POLL_SECONDS)

    def _work(self) -> None:
        while not self._end.is_set():
            try:
                variant, expectation = self._waiting.popleft()
            except IndexError:
                return
            self._ask(variant, expectation)

    def _ask(self, variant: str, expectation: Expectation) -> None:
        model = self._model.model_copy(update={"expectations": (expectation,), "objectives": None})
        name = expectation.name if len(self._fleet.served_names) == 1 else f"{variant}: {expectation.name}"
        sender = _Sender(self._access, self._fleet, variant, self._end, self._count_response)

        def ask() -> tuple[bool, str]:
            try:
                verdicts = list(self._judge(model, sender))
            except _ModelFailedError as error:
                return False, str(error)
            failed = [verdict.detail for verdict in verdicts if not verdict.ok]
            return not failed, "; ".join(failed)

        try:
            finding = decide(name, ask)
        except (_StoppedError, _UnreachedError):
            return
        except Exception as error:  # noqa: BLE001 - raised by the thread that waits
            with self._lock:
                self.errors.append(error)
            return
        with self._lock:
            self.findings.append(finding)

    def _count_response(self) -> None:
        with self._lock:
            self.responses += 1
