"""The policy gate as an environment wants it, ready by the time that its plan is."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from toolkit.console import Console
from toolkit.deployment.context import Context
from toolkit.environment import document
from toolkit.gate import Gate, GateSettings, PolicyException, Severity


@contextmanager
def gate(context: Context) -> Iterator[Future[Gate]]:
    """Start the policy gate beside whatever is done in the block.

    checkov is installed on first use, which takes half a minute: that, too, goes on beside the block.
    """
    quiet = Console(err=io.StringIO(), interactive=False)
    with ThreadPoolExecutor(1, thread_name_prefix="policy-gate") as pool:
        ready = pool.submit(Gate, context.project, quiet, settings(context))
        try:
            yield ready
        finally:
            if ready.cancel() is False and ready.exception() is None:
                ready.result().__exit__(None, None, None)


def settings(context: Context) -> GateSettings:
    """What the environment file lets through, with the lines where it says so."""
    policy, file = context.environment.policy, context.environment.file
    if not policy.exceptions:
        return GateSettings(Severity.parse(policy.fail_at))
    written = document.parse((context.project.root / file).read_text(encoding="utf-8"))
    exceptions = [
        PolicyException(
            rule=each.rule,
            resource=each.resource,
            reason=each.reason,
            expires=each.last_day,
            file=file,
            line=written.line(("policy", "exceptions", index)),
        )
        for index, each in enumerate(policy.exceptions)
    ]
    return GateSettings(Severity.parse(policy.fail_at), exceptions)
