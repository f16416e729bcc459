"""Apply with a smoke test, and roll back if it fails."""

from __future__ import annotations

from toolkit.deployment import inference
from toolkit.deployment.context import Context
from toolkit.deployment.inference import Prepared
from toolkit.deployment.outputs import Outputs
from toolkit.deployment.releases import recording, rollback
from toolkit.errors import SmokeTestError
from toolkit.smoke.checks import raise_for_failures, run


def apply_tested(context: Context, prepared: Prepared) -> Outputs:
    """Apply, run the smoke test, and roll back to the last release if it fails.

    Raises:
        SmokeTestError: the test failed; the last release serves again, if there is one.
    """
    try:
        return inference.apply(context, prepared, check=lambda outputs: _test(context, outputs))
    except SmokeTestError as error:
        last = recording.releases_of(context).latest()
        if last is None:
            context.console.warning("no earlier release to roll back to; the failed release stays deployed")
            raise
        context.console.line(str(error))
        context.console.line(f"rolling back to release {last.number}")
        inference.apply(context, rollback.prepare_rollback(context, last.number))
        raise SmokeTestError(
            f"the smoke test failed; release {last.number} serves again", details=error.details
        ) from error


def _test(context: Context, outputs: Outputs) -> None:
    checks = []
    for check in run(context, outputs):
        context.console.line(check.line())
        checks.append(check)
    raise_for_failures(context.environment.name, checks)
