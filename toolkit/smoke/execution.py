"""Runs checks in order, each with a time limit; a failed one prevents those that need it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Final, Literal

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from toolkit.deployment.context import Context
from toolkit.errors import ToolkitError
from toolkit.smoke import causes
from toolkit.smoke.causes import Commands
from toolkit.smoke.results import Check, FailedError, Layer, NotRunError

# SageMaker ends an invocation at 60 s; a new API key propagates in up to three minutes.
TIMEOUT_SECONDS: Final = 180.0
# For the requests of a check that waits until the time limit.
_GRACE_SECONDS: Final = 60.0
# Not a name of a model.
_ALL: Final = "*"
_ERRORS = (FailedError, NotRunError, ToolkitError, ClientError, BotoCoreError, httpx.HTTPError)


@dataclass(frozen=True)
class Options:
    """The checks to run, and their patience.

    Attributes:
        only: layers to check; empty for all.
        models: models to check; empty for all.
        timeout_seconds: time limit of each check.
        retries: repetitions of a failed check before it counts as failed.
        asynchronous: whether to invoke asynchronous endpoints: if an instance runs, or start one.
        alarms: whether to check the rollout alarms.
    """

    only: Collection[Layer] = ()
    models: Collection[str] = ()
    timeout_seconds: float = TIMEOUT_SECONDS
    retries: int = 0
    asynchronous: Literal["never", "running", "wake"] = "running"
    alarms: bool = True


@dataclass(frozen=True)
class Step:
    """A check that has not run.

    Attributes:
        model: the model; None for the whole API.
        layer: its layer.
        name: its name.
        action: the check; returns the observation.
        stops: the later checks that need it: those of its model, all, or none.
        waits: whether it waits until the time limit itself, and then knows what did not arrive.
    """

    model: str | None
    layer: Layer
    name: str
    action: Callable[[], str]
    stops: Literal["model", "all", "none"] = "model"
    waits: bool = False


def execute(context: Context, steps: Iterable[Step], options: Options) -> Iterator[Check]:
    """Yield the result of each step as it ends.

    Args:
        context: the environment.
        steps: from the inside out.
        options: what to check.
    """
    failed: dict[str, str] = {}
    for step in steps:
        if options.only and step.layer not in options.only:
            continue
        blocker = failed.get(step.model or _ALL) or failed.get(_ALL)
        if blocker:
            yield Check(step.model, step.name, None, 0.0, f"because this failed: {blocker}", step.layer)
            continue
        check = _check(context, step, options)
        if check.ok is False and step.stops != "none":
            failed[step.model if step.model and step.stops == "model" else _ALL] = (
                f"{check.subject}: {check.name}"
            )
        yield check


def _check(context: Context, step: Step, options: Options) -> Check:
    started, repetitions = time.perf_counter(), 0
    while True:
        check = _attempt(context, step, options.timeout_seconds)
        if check.ok is not False or repetitions >= options.retries:
            break
        repetitions += 1
    if repetitions and check.ok:
        check = replace(check, detail=f"{check.detail}, at attempt {repetitions + 1}")
    return replace(check, seconds=time.perf_counter() - started)


def _attempt(context: Context, step: Step, timeout_seconds: float) -> Check:
    title, console = f"testing {step.model or 'the API'}: {step.name}", context.console
    passed = Check(step.model, step.name, True, 0.0, "", step.layer)
    try:
        with console.progress(title) if console.interactive else nullcontext():
            limit = timeout_seconds + (_GRACE_SECONDS if step.waits else 0)
            return replace(passed, detail=_bounded(step.action, limit))
    except _ERRORS as error:
        if isinstance(error, NotRunError):
            return replace(passed, ok=None, detail=str(error))
        failure = _explain(context, error, step)
        return replace(passed, ok=False, detail=failure.detail, cause=failure.cause, command=failure.command)


def _explain(context: Context, error: Exception, step: Step) -> FailedError:
    commands, source = Commands(context.environment), step.model or "gateway"
    if isinstance(error, FailedError):
        return FailedError(error.detail, error.cause, error.command or commands(f"logs {source}"))
    if isinstance(error, ClientError | BotoCoreError):
        return causes.of_aws(error, commands, source)
    if isinstance(error, httpx.HTTPError):
        return causes.of_connection(error, context.environment)
    message = error.message if isinstance(error, ToolkitError) else str(error)
    return FailedError(message, None, commands("status"))


def _bounded(action: Callable[[], str], seconds: float) -> str:
    """The result of an action, which is abandoned at its time limit.

    botocore and a model's server that sends a byte now and then know no time limit for a whole request.
    """
    results: queue.SimpleQueue[str | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            results.put(action())
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            results.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        result = results.get(timeout=seconds)
    except queue.Empty:
        raise FailedError(f"no result within {seconds:.0f} s", "it hangs, or is too slow") from None
    if isinstance(result, BaseException):
        raise result
    return result
