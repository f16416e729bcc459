"""The Typer application with all commands."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperArgument, TyperOption

from toolkit.cli import (
    apply,
    bench,
    bootstrap,
    chat,
    destroy,
    doctor,
    drift,
    iam,
    init,
    keys,
    local,
    logs,
    model,
    outputs,
    pause,
    plan,
    policy,
    releases,
    render,
    rollback,
    smoke_test,
    state,
    status,
    sync,
    unlock,
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


app.command("init")(init.init)
app.command("validate")(validate.validate)
app.command("render")(render.render)
app.command("bootstrap")(bootstrap.bootstrap)
app.command("plan")(plan.plan)
app.command("apply")(apply.apply)
app.command("destroy")(destroy.destroy)
app.command("status")(status.status)
app.command("outputs")(outputs.outputs)
app.command("sync")(sync.sync)
app.command("logs")(logs.logs)
app.command("usage")(usage.usage)
app.command("smoke-test")(smoke_test.smoke_test)
app.command("chat")(chat.chat)
app.command("releases")(releases.releases)
app.command("rollback")(rollback.rollback)
app.command("pause")(pause.pause)
app.command("resume")(pause.resume)
app.command("drift")(drift.drift)
app.command("unlock")(unlock.unlock)
app.command("doctor")(doctor.doctor)
app.add_typer(bench.app, name="bench")
app.add_typer(iam.app, name="iam")
app.add_typer(keys.app, name="keys")
app.add_typer(local.app, name="local")
app.add_typer(model.app, name="model")
app.add_typer(policy.app, name="policy")
app.add_typer(state.app, name="state")
