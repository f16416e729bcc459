"""Commands that change no endpoint, and their exit codes in every kind of environment."""

from __future__ import annotations

from tests.support.toolkit import Toolkit

INVALID, REFUSED, SMOKE_TEST_FAILED = 2, 3, 7
COMMANDS = (
    ("validate",),
    ("outputs",),
    ("status",),
    ("releases",),
    ("logs",),
    ("logs", "gateway"),
    ("logs", "authorizer"),
    ("keys", "list"),
    ("keys", "show", "default"),
    ("sync",),
    ("smoke-test",),
)
# A plan, which takes seconds.
PAUSED_COMMANDS = (("drift",),)


def failures(toolkit: Toolkit, *, auth: str, paused: bool = False, protected: bool = False) -> list[str]:
    """Run every command; returns those with another exit code than documented, and with a traceback."""
    expected = {
        "logs authorizer": INVALID if auth == "iam" else 0,
        "keys show default": INVALID if auth == "iam" else 0,
        "sync": REFUSED if protected else 0,
        "smoke-test": SMOKE_TEST_FAILED if paused else 0,
    }
    failed = []
    for command in (*COMMANDS, *(PAUSED_COMMANDS if paused else ())):
        result = toolkit(*command, "--env", "local")
        name = " ".join(command)
        if result.returncode != expected.get(name, 0) or "Traceback" in result.stderr:
            failed.append(f"{name}: exit code {result.returncode}\n{result.stdout}{result.stderr}")
    return failed
