"""`toolkit releases …`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.default_command import DefaultCommand
from toolkit.cli.options import Env, Json

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.deployment.attestations import PublicKey
    from toolkit.deployment.evidence import Verification
    from toolkit.deployment.releases import Release

_LIST = "list"


class _Releases(DefaultCommand):
    default_name = _LIST


app = typer.Typer(cls=_Releases, help="List releases; export and verify their evidence.")
Number = Annotated[int, typer.Argument(metavar="N", min=1, help="The number of the release.")]


@app.command(_LIST)
def list_(env: Env, as_json: Json = False) -> None:
    """List releases, newest first; the default command."""
    from toolkit.console import Console
    from toolkit.deployment import releases
    from toolkit.deployment.context import open_context

    console = Console()
    history = releases.of(open_context(env, console)).list()
    if as_json:
        console.data(json.dumps([asdict(release) for release in history], indent=2))
        return
    for release in history:
        console.data(_line(release))


@app.command("evidence")
def evidence(
    number: Number,
    env: Env,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Write the evidence and its documents to files."),
    ] = None,
) -> None:
    """Print the in-toto attestations of a release as JSON Lines, or export them with all documents."""
    from toolkit.console import Console
    from toolkit.deployment import evidence
    from toolkit.deployment.context import open_context
    from toolkit.os_errors import writing

    console = Console()
    context = open_context(env, console)
    if output is None:
        for content in evidence.envelopes(context, number).values():
            console.data(content.decode("utf-8", errors="replace"))
        return
    with writing(output):
        names = evidence.export(context, number, output)
    console.line(f"{output}: {len(names)} files")
    console.line(f"next: toolkit releases verify {number} --env {env} --bundle {output}")


@app.command("verify")
def verify(
    number: Number,
    env: Env,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="DIR", help="Read exported files; nothing is downloaded."),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="Require a signature of this public key."),
    ] = None,
) -> None:
    """Verify that a release's plan, weights, packages, policies and tests are those that were recorded.

    Without --key, the key of the environment is required, if it has one and its files are not exported.
    """
    from toolkit.console import Console
    from toolkit.deployment import evidence
    from toolkit.deployment.attestations import PublicKey
    from toolkit.deployment.context import open_context

    console = Console()
    key = None if key_file is None else PublicKey(_read(key_file))
    if bundle is not None:
        source = evidence.exported(bundle)
    else:
        context = open_context(env, console)
        evidence.envelopes(context, number)
        source = evidence.stored(context, number)
        if key is None and context.signer is not None:
            key = PublicKey(context.signer.public_key())
    verification = evidence.verify(source, env, number, key)
    _print(console, env, number, verification, key)
    verification.raise_for_problems(env, number)


@app.command("public-key")
def public_key(env: Env) -> None:
    """Print the public key of the environment's signer, for `verify --key`."""
    from toolkit.console import Console
    from toolkit.deployment.context import open_context
    from toolkit.errors import InputError

    console = Console()
    context = open_context(env, console)
    if context.signer is None:
        raise InputError(
            f"{env} has no signer",
            where=context.environment.file,
            remedy="set evidence.kms_key_arn (docs/how-to/release-evidence.md)",
        )
    console.data(context.signer.public_key().decode().rstrip("\n"))


def _read(file: Path) -> bytes:
    from toolkit import documents
    from toolkit.files import require_file

    require_file(file, "read the public key", str(file), "export it with `toolkit releases public-key`")
    return documents.load(file)


def _print(
    console: Console, env: str, number: int, verification: Verification, key: PublicKey | None
) -> None:
    for document in verification.documents:
        console.data(f"{'FAIL' if document.problem else 'ok  '} {document.name}")
    result = verification.smoke_test
    if result is None:
        tested = "no valid smoke test"
    else:
        tested = f"smoke test {'passed' if result.passed else 'failed'}, {result.tested_at}"
    console.line(f"release {number} of {env}: {len(verification.documents)} documents, {tested}")
    if key is None:
        console.warning(
            "signatures were not verified: a user who can write to the state bucket can replace all of it; "
            "pass --key FILE"
        )


def _line(release: Release) -> str:
    commit = (release.commit or "no commit")[:12] + (" and changes" if release.uncommitted else "")
    test = f", smoke test {release.smoke_test}" if release.smoke_test else ""
    met = ""
    if release.quality and not release.paused:
        # `rollback` and `resume` ask nothing: they return to a configuration that was judged before.
        met = ", expectations met" if release.action == "apply" else ", expectations met earlier"
    return (
        f"{release.number}  {release.created_at}  {release.action}  {commit}  {release.created_by}{test}{met}"
    )
