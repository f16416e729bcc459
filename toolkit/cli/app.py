"""The Typer application with all commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperOption

from toolkit.cli import (
    apply,
    bench,
    bootstrap,
    chat,
    ci,
    cost,
    destroy,
    doctor,
    drift,
    iam,
    init,
    keys,
    local,
    logs,
    mcp,
    model,
    new,
    outputs,
    pause,
    plan,
    policy,
    preflight,
    promote,
    reap,
    rehearse,
    releases,
    render,
    rollback,
    smoke_test,
    state,
    status,
    sync,
    unlock,
    upgrade,
    usage,
    validate,
)


def _choices(parameter: TyperArgument | TyperOption, _ctx: Any) -> str | None:
    """The type of a parameter in help texts: its metavar says more than `<str>`, and a flag has no value."""
    choices = parameter.type_descriptor.choices or ()
    return "|".join(getattr(choice, "value", choice) for choice in choices) or None


TyperArgument.display_type = TyperOption.display_type = _choices  # type: ignore[method-assign, assignment]

app = typer.Typer(
    name="toolkit",
    help="Deploy open language models to Amazon SageMaker behind an OpenAI-compatible API.",
    no_args_is_help=True,
    add_completion=True,
    # Errors are printed in one place, toolkit.__main__.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(f"toolkit {version('sagemaker-llm-toolkit')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    del version  # handled by its callback


Command = Callable[..., None] | typer.Typer

# Groups of `toolkit --help` in the order of an environment's life: name, implementation and examples of each
# command. A command that has commands itself shows their own help.
GROUPS: dict[str, tuple[tuple[str, Command, tuple[str, ...]], ...]] = {
    "Start": (
        ("new", new.new, ("toolkit new llm-deployments --ci github",)),
        ("init", init.init, ("toolkit init staging", "toolkit init demo --target local")),
        ("validate", validate.validate, ("toolkit validate --env dev",)),
        ("doctor", doctor.doctor, ("toolkit doctor --env dev",)),
        ("model", model.app, ("toolkit model fit --env dev", "toolkit model stage --env dev --all")),
        ("local", local.app, ("toolkit local status", "toolkit local down")),
        ("upgrade", upgrade.upgrade, ("toolkit upgrade", "toolkit upgrade 0.2.0 --find-links wheels")),
    ),
    "Deploy": (
        ("bootstrap", bootstrap.bootstrap, ("toolkit bootstrap --env dev",)),
        ("render", render.render, ("toolkit render --env dev",)),
        ("plan", plan.plan, ("toolkit plan --env dev", "toolkit plan --env dev --markdown > plan.md")),
        (
            "apply",
            apply.apply,
            ("toolkit apply --env dev", "toolkit apply --env dev --plan build/dev/plan --yes"),
        ),
        ("promote", promote.promote, ("toolkit promote --from dev --to prod --dry-run",)),
        ("sync", sync.sync, ("toolkit sync --env local --watch",)),
        ("destroy", destroy.destroy, ("toolkit destroy --env local --yes",)),
        ("reap", reap.reap, ("toolkit reap --env dev", "toolkit reap --env dev --yes")),
    ),
    "Check": (
        (
            "preflight",
            preflight.preflight,
            ("toolkit preflight --env dev", "toolkit preflight --env dev --markdown > preflight.md"),
        ),
        (
            "rehearse",
            rehearse.rehearse,
            ("toolkit rehearse --env dev", "toolkit rehearse --env dev --from 3 --html rehearsal.html"),
        ),
        ("cost", cost.cost, ("toolkit cost --env dev",)),
        ("policy", policy.app, ("toolkit policy check terraform",)),
        ("smoke-test", smoke_test.smoke_test, ("toolkit smoke-test --env dev --junit smoke-test.xml",)),
        (
            "bench",
            bench.app,
            ("toolkit bench --env dev --model qwen3-8b", "toolkit bench compare 1 2 --env dev"),
        ),
        ("drift", drift.drift, ("toolkit drift --env dev", "toolkit drift --env dev --plan build/dev/fix")),
        (
            "ci",
            ci.app,
            ("toolkit ci comment build/dev/plan.md", "toolkit ci issue drift.md --title 'Drift of dev'"),
        ),
    ),
    "Operate": (
        ("status", status.status, ("toolkit status --env dev",)),
        ("outputs", outputs.outputs, ("toolkit outputs --env dev api_base_url",)),
        ("logs", logs.logs, ("toolkit logs gateway --env dev --follow",)),
        ("usage", usage.usage, ("toolkit usage --env dev --by key --since 7d",)),
        ("chat", chat.chat, ("toolkit chat --env local", "echo Hello | toolkit chat --env local")),
        ("mcp", mcp.mcp, ("toolkit mcp",)),
        ("keys", keys.app, ("toolkit keys show default --env dev",)),
        ("pause", pause.pause, ("toolkit pause --env dev", "toolkit pause --env dev --if-idle 4h --yes")),
        ("resume", pause.resume, ("toolkit resume --env dev", "toolkit resume --env dev --if-paused --yes")),
    ),
    "Recover": (
        (
            "releases",
            releases.app,
            (
                "toolkit releases --env dev",
                "toolkit releases evidence 3 --env dev --output evidence",
                "toolkit releases verify 3 --env dev --bundle evidence --key signer.pem",
            ),
        ),
        ("rollback", rollback.rollback, ("toolkit rollback --env dev", "toolkit rollback --env dev --to 3")),
        ("unlock", unlock.unlock, ("toolkit unlock --env dev",)),
        ("state", state.app, ("toolkit state push unstored.tfstate --env dev",)),
    ),
    "Permissions": (("iam", iam.app, ("toolkit iam show --env dev sagemaker-deployer",)),),
}


def _add_commands() -> None:
    for group, commands in GROUPS.items():
        for name, implementation, examples in commands:
            # The help text joins lines; an empty line starts a new one.
            epilog = "\n\n".join(("Examples:", *examples))
            if isinstance(implementation, typer.Typer):
                app.add_typer(implementation, name=name, rich_help_panel=group, epilog=epilog)
            else:
                app.command(name, rich_help_panel=group, epilog=epilog)(implementation)


_add_commands()
