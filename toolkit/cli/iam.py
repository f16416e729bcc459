"""`toolkit iam …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Env

if TYPE_CHECKING:
    from toolkit.iam import Document

app = typer.Typer(help="IAM policies for deployers.", no_args_is_help=True)


@app.command("show")
def show(
    env: Env,
    name: Annotated[
        str | None, typer.Argument(metavar="POLICY", help="Policy to print. Default: list them all.")
    ] = None,
) -> None:
    """Print an IAM policy of the environment's deployers as JSON."""
    from toolkit import iam
    from toolkit.console import Console
    from toolkit.environment import load
    from toolkit.project import Project

    console, project = Console(), Project.find()
    documents = iam.documents(project, [load(project, env)])
    if name is not None:
        console.data(_find(documents, name).json())
        parts = [document.name for document in documents if document.name.startswith(f"{name}-")]
        if parts:
            console.warning(f"{name} exceeds IAM's size limit; it continues in {', '.join(parts)}")
        return
    for document in documents:
        size = f"{document.characters} of {iam.MAX_CHARACTERS} characters"
        console.data(f"{document.name:20} {document.description} ({document.policy_name}, {size})")


@app.command("role")
def role(
    env: Env,
    name: Annotated[str, typer.Argument(metavar="ROLE", help="Name of the role in account.ci.roles.")],
) -> None:
    """Print the role of a pipeline's jobs and its region, as lines NAME=VALUE for the job's environment."""
    from toolkit.aws.access import AwsAccess
    from toolkit.console import Console
    from toolkit.environment import load
    from toolkit.errors import InputError
    from toolkit.project import Project

    environment = load(Project.find(), env)
    roles = environment.account.ci.roles
    if name not in roles:
        raise InputError(
            f"{env} has no role named {name} for pipelines",
            where=environment.file,
            remedy=f"add it to account.ci.roles, which has: {', '.join(roles) or 'none'}",
        )
    access = AwsAccess(region=environment.region, account_id=environment.account_id)
    arn = f"arn:{access.partition}:iam::{environment.account_id}:role/{environment.prefix}-ci-{name}"
    Console().data(f"AWS_ROLE_ARN={arn}\nAWS_REGION={environment.region}")


def _find(documents: list[Document], name: str) -> Document:
    from toolkit.errors import InputError

    names = [document.name for document in documents]
    if name not in names:
        raise InputError(f"no such policy: {name}", remedy=f"choose one of {', '.join(names)}")
    return documents[names.index(name)]
