"""Runs a benchmark of a deployed model."""

from __future__ import annotations

import asyncio
import hashlib
import re
import resource
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final, Protocol

from toolkit.bench import limit, subject, targets
from toolkit.bench.generator import (
    Progress,
    RefusedError,
    Runner,
    Settings,
    Stop,
)
from toolkit.bench.metrics import Metrics, of_stage
from toolkit.bench.options import Options
from toolkit.bench.results import INTERRUPTED, Benchmark, Generator, Stage
from toolkit.bench.targets import Target
from toolkit.bench.text import CONTEXT_EXCEEDED
from toolkit.bench.workload import (
    Dataset,
    Lengths,
    NoWorkload,
    Ratio,
    Synthetic,
    Workload,
    read_dataset,
    sample_text,
)
from toolkit.chat.session import Session
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.environment import Model
from toolkit.errors import InputError, PreflightError
from toolkit.report import units
from toolkit.signals import SIGNALS

# Words of the prompt that measures the chat template.
_FEW_WORDS: Final = 8
# A rate near the limit is not sent evenly.
_SHARE_OF_LIMIT: Final = 0.8
# More than the connections of the largest load.
_OPEN_FILES: Final = 8192
# Members of requests that make an engine ignore the end of the text, by dialect.
_EXACT_LENGTH: Final[Mapping[str, Mapping[str, Any]]] = {
    "openai": {"ignore_eos": True},
    "llama_cpp": {"ignore_eos": True},
}


# How vLLM, LMI and llama.cpp say it at the runtime; at the API, the gateway gives it a code.
_CONTEXT: Final = re.compile(
    r"context[ _](length|size|window)|exceed_context_size|maximum model length", re.I
)


class Display(Protocol):
    """Shows the progress of a benchmark."""

    def confirm(self, announcement: str) -> None:
        """Announce what will be sent; raises an error if the user declines."""

    def limit(self, generator: Generator) -> None:
        """Show the load generator's own limit."""

    def progress(self, progress: Progress) -> None:
        """Show the progress of a stage."""

    def stage(self, stage: Stage, metrics: Metrics) -> None:
        """Show a complete stage."""


@dataclass
class Bench:
    """A benchmark of a deployed model.

    Args:
        context: the environment.
        outputs: what is deployed.
        session: an open chat, with the API and its key.
        options: what to measure.
        display: shows the progress.

    Attributes:
        failure: why it ended early, after some requests; None if it did not, or because of Ctrl-C.
    """

    context: Context
    outputs: Outputs
    session: Session
    options: Options
    display: Display

    def __post_init__(self) -> None:
        self.failure: Exception | None = None
        model = self.session.settings(self.options.model).model
        self._requested = model
        self._name = _resolved(self.context.environment.models, model)
        deployed = self.outputs.models[self._name]
        if "runtime" in self.options.targets and deployed.endpoint_type == "serverless":
            raise InputError(
                f"cannot measure {self._name} at the runtime: serverless endpoints do not stream",
                remedy="use --target api",
            )
        access = self.context.access
        signed = self.context.environment.api.auth == "iam"
        available: dict[str, Target] = {
            "api": targets.api(access, self.session.api, model, signed=signed),
            "runtime": targets.runtime(access, deployed),
        }
        self._targets = [available[name] for name in self.options.targets]
        self._conversations = (
            None if self.options.dataset is None else read_dataset(self.options.dataset, self.options.turns)
        )
        self._prompts = sum(len(conversation.prompts) for conversation in self._conversations or ())
        # Another file of the same name is another workload.
        content = repr(self._conversations).encode()
        self._dataset_digest = f"sha256:{hashlib.sha256(content).hexdigest()[:16]}"

    @property
    def model(self) -> Model | None:
        """The model in the environment file; None if a rollback deployed one that it lacks."""
        return self.context.environment.models.get(self._name)

    def run(self) -> Benchmark:
        """Measure all stages; after Ctrl-C, those until then.

        Raises:
            ToolkitError: the deployment refuses the requests, or the load generator is too slow for them.
        """
        _allow_connections()
        return asyncio.run(self._run())

    async def _run(self) -> Benchmark:
        # Before the load: it may change the number of instances.
        measured = subject.of(self.context, self.outputs, self._name)
        started = datetime.now(UTC)
        settings = Settings(self.options.timeout, self._members(), self.options.seed)
        workload = await self._workload(settings, started.strftime("%Y%m%d%H%M%S"))
        self.display.confirm(self._announcement())
        most = max([64 for _ in self.options.rates] + list(self.options.concurrency))
        generator = await limit.measure(workload, self.options.output_tokens, most, self._targets[-1])
        self.display.limit(generator)
        self._check_rates(generator)
        stages = await self._stages(workload, settings)
        return Benchmark(
            environment=self.context.environment.name,
            model=self._name,
            started=started.isoformat(timespec="seconds"),
            toolkit=version("sagemaker-llm-toolkit"),
            subject=measured,
            workload=self._described(),
            objectives=objectives(self.model),
            generator=generator,
            stages=tuple(stages),
        )

    async def _stages(self, workload: Workload, settings: Settings) -> list[Stage]:
        stages: list[Stage] = []
        number = 0
        runners = [Runner(target, workload, settings, self.display.progress) for target in self._targets]
        try:
            for load in self.options.loads:
                for runner in runners:
                    stop = Stop()
                    # The server may have cached the prompts of other stages.
                    runner.number = number
                    try:
                        with _stopped_by_signals(stop):
                            stage = await runner.measure(load, stop)
                    except Exception as error:
                        if not stages:
                            raise
                        # The caller raises it after the report on the complete stages.
                        self.failure = error
                        return stages
                    number = runner.number
                    stages.append(stage)
                    self.display.stage(stage, of_stage(stage, objectives(self.model)))
                    self.failure = runner.failure
                    if stop.reason == INTERRUPTED or self.failure is not None:
                        return stages
        finally:
            for runner in runners:
                runner.close()
        return stages

    def _check_rates(self, generator: Generator) -> None:
        most = generator.requests_per_second * _SHARE_OF_LIMIT
        for rate in self.options.rates:
            if rate > most:
                raise PreflightError(
                    f"cannot send {rate:g} requests per second: this machine sends {most:.0f} at most",
                    remedy="lower --rate, shorten the responses, or use a faster machine",
                )

    async def _workload(self, settings: Settings, run: str) -> Workload:
        """The prompts, once the server has counted the tokens of some; checks that each target responds."""
        options = self.options
        runners = [Runner(target, NoWorkload(), settings) for target in self._targets]
        try:
            if self._conversations is not None:
                workload: Workload = Dataset(self._conversations, options.output_tokens, options.seed)
                for runner in runners:
                    await self._ask(runner, "Hello!")
                return workload
            many_words = max(4 * _FEW_WORDS, round(options.input_tokens.mean * 0.75))
            # Each prompt differs from the first word on, or the server might not count what it has cached.
            few = await self._count(runners[0], _FEW_WORDS, f"{options.seed}/few/{run}")
            many = await self._count(runners[0], many_words, f"{options.seed}/many/{run}")
            for runner in runners[1:]:
                await self._ask(runner, "Hello!")
        finally:
            for runner in runners:
                runner.close()
        ratio = Ratio.of((_FEW_WORDS, few), (many_words, many))
        if options.input_tokens.low < ratio.base + ratio.per_word:
            raise InputError(
                f"--input-tokens: the chat template alone has {ratio.base:.0f} tokens",
                remedy=f"use at least {round(ratio.base + ratio.per_word) + 1}",
            )
        return Synthetic(
            input_tokens=options.input_tokens,
            output_tokens=options.output_tokens,
            ratio=ratio,
            seed=options.seed,
            turns=options.turns,
            shared_prefix_tokens=options.shared_prefix_tokens,
            distinct=options.distinct_prompts,
            run=run,
        )

    async def _count(self, runner: Runner, words: int, seed: str) -> int:
        tokens = await self._ask(runner, sample_text(words, seed))
        if tokens is None:
            raise InputError(
                "cannot create prompts by token count: the server does not report the tokens of a request",
                remedy="use a data set: --dataset FILE",
            )
        return tokens

    async def _ask(self, runner: Runner, prompt: str) -> int | None:
        """Send a short request; returns the tokens of its prompt."""
        body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": 1}
        try:
            reply = await runner.ask({**runner.settings.members, **body})
        except RefusedError as error:
            env = self.context.environment.name
            detail = f"{error.reason}: {error.message}" if error.message else error.reason
            if error.reason == CONTEXT_EXCEEDED or _CONTEXT.search(error.message):
                raise InputError(
                    f"cannot measure {self._name}: a prompt of --input-tokens "
                    f"{self.options.input_tokens.text} exceeds its context: {detail}",
                    remedy="lower --input-tokens",
                ) from None
            raise PreflightError(
                f"cannot measure {self._name} at the {_PLACES[runner.target.name]}: {detail}",
                where=runner.target.url,
                remedy=f"run `toolkit smoke-test --env {env} --model {self._name}`",
            ) from None
        if runner.target.name == "api" and reply.model not in (None, self._requested, self._name):
            raise PreflightError(
                f"cannot measure {self._name}: {reply.model} responds as its fallback",
                remedy=f"see `toolkit status --env {self.context.environment.name}`",
            )
        return reply.usage.prompt_tokens if reply.usage is not None else None

    def _members(self) -> dict[str, Any]:
        # Without chance, so that runs are alike.
        exact = (
            {}
            if self.options.natural_end or self.model is None
            else _EXACT_LENGTH.get(self.model.dialect, {})
        )
        return {"temperature": 0, **exact}

    def _announcement(self) -> str:
        """How much will be sent at most."""
        options = self.options
        places = " and the ".join(_PLACES[target] for target in options.targets)
        outputs = f"{_tokens(options.output_tokens)} output tokens"
        inputs = f"{_tokens(options.input_tokens)} input tokens"
        prompts = f"prompts of {options.dataset}" if options.dataset else inputs
        requests = options.most_requests
        if requests is None:
            seconds = (options.seconds or 0) * len(options.loads) * len(options.targets)
            count = f"requests for {seconds:g} s"
            return f"{self._name} gets {count} at the {places}, with {prompts} and {outputs} each"
        total = f"{requests * options.output_tokens.mean:,.0f} output tokens"
        if options.dataset is None:
            # A prompt is sent with the prompts and responses before it.
            earlier = (options.turns - 1) / 2
            tokens = (1 + earlier) * options.input_tokens.mean + earlier * options.output_tokens.mean
            total = f"{requests * tokens:,.0f} input and {total}"
        count = f"at most {units.count(requests, 'request')}"
        return f"{self._name} gets {count} at the {places}, with {prompts} and {outputs} each: {total}"

    def _described(self) -> dict[str, str | int | float | bool]:
        """The settings that decide what a request is."""
        options = self.options
        settings: dict[str, str | int | float | bool] = {
            "output_tokens": options.output_tokens.text,
            "exact_output_tokens": "ignore_eos" in self._members(),
            "turns": options.turns,
            "seed": options.seed,
        }
        if options.dataset is not None:
            return {
                "dataset": options.dataset.name,
                "dataset_digest": self._dataset_digest,
                "dataset_prompts": self._prompts,
                **settings,
            }
        return {
            "input_tokens": options.input_tokens.text,
            **settings,
            "shared_prefix_tokens": options.shared_prefix_tokens,
            "distinct_prompts": options.distinct_prompts,
        }


def _allow_connections() -> None:
    """Raise the soft limit of open files, which is 256 on macOS, as far as this process may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


_PLACES: Final = {"api": "API", "runtime": "SageMaker runtime"}


def objectives(model: Model | None) -> dict[str, float]:
    """The objectives of a model: times in seconds, the share of errors, and the percentile that is judged."""
    if model is None or model.objectives is None:
        return {}
    limits = model.objectives.limits
    names = {
        "first_token_ms": ("time_to_first_token", 1000),
        "inter_token_ms": ("inter_token_latency", 1000),
        "total_ms": ("total", 1000),
        "error_percent": ("error_rate", 100),
    }
    values = {name: limits[key] / unit for key, (name, unit) in names.items() if key in limits}
    return {**values, "percentile": float(model.objectives.percentile)}


def _resolved(models: Mapping[str, Model], name: str) -> str:
    return next((own for own, model in models.items() if name in model.aliases), name)


def _tokens(lengths: Lengths) -> str:
    if lengths.high is not None:
        return f"{lengths.low} to {lengths.high}"
    return f"{lengths.low}" if lengths.deviation is None else f"{lengths.low} ± {lengths.deviation}"


@contextmanager
def _stopped_by_signals(stop: Stop) -> Iterator[None]:
    """Stop the stage on Ctrl-C and on a build server's signals; the second one interrupts as always."""
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Callable[..., Any] | int | None] = {}

    def interrupt(signum: signal.Signals) -> None:
        stop.set(INTERRUPTED)
        loop.remove_signal_handler(signum)
        signal.signal(signum, before[signum])

    for signum in SIGNALS:
        handler = signal.getsignal(signum)
        if handler is not signal.SIG_IGN:
            before[signum] = handler
            loop.add_signal_handler(signum, interrupt, signum)
    try:
        yield
    finally:
        for signum, handler in before.items():
            loop.remove_signal_handler(signum)
            signal.signal(signum, handler)
