"""Renders Terraform variables and backend settings from an environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.environment import Environment
from toolkit.environment.base import ConfigModel
from toolkit.iam import Document
from toolkit.rendering.access import account_access
from toolkit.rendering.grants import role_grants
from toolkit.rendering.models import model_variables
from toolkit.rendering.runtime import RuntimeVariables
from toolkit.rendering.templates import render_template

__all__ = ["RenderInputs", "Rendered", "RuntimeVariables", "render", "render_account"]


@dataclass(frozen=True)
class RenderInputs:
    """Inputs that an environment file does not contain.

    Attributes:
        model_data_s3_uris: S3 prefixes of the staged weights, by `ResolvedVariant.weights`.
        gateway_package: path of the zip file of the gateway function, relative to the folder of the stack.
        authorizer_package: path of the zip file of the authorizer function, likewise.
        neighbours: other environments with the same account stack, whose role runs their models too.
        documents: IAM policies of the environment and its neighbours.
    """

    model_data_s3_uris: Mapping[str, str]
    gateway_package: str
    authorizer_package: str
    neighbours: Sequence[Environment] = ()
    documents: Sequence[Document] = ()


@dataclass(frozen=True)
class Rendered:
    """The rendered files.

    Attributes:
        paths: all files.
        changed: files with new content.
    """

    paths: list[Path]
    changed: list[Path]


def render(environment: Environment, inputs: RenderInputs, directory: Path) -> Rendered:
    """Write variables and backend settings of both stacks to `directory`.

    Equal inputs give equal bytes, and unchanged files are not written.
    """
    account = render_account(environment, directory, inputs.neighbours, inputs.documents)
    variables = {
        "environment": environment,
        "models": _models(environment, inputs),
        "api": _api(environment, inputs),
    }
    inference = _write(directory, "inference", variables)
    return Rendered(account.paths + inference.paths, account.changed + inference.changed)


def render_account(
    environment: Environment,
    directory: Path,
    neighbours: Sequence[Environment] = (),
    documents: Sequence[Document] = (),
) -> Rendered:
    """Write variables and backend settings of the account stack to `directory`.

    Args:
        environment: the environment.
        directory: output directory.
        neighbours: other environments with the same account stack.
        documents: IAM policies of all these environments.
    """
    environments = [environment, *neighbours]
    variables = {
        "environment": environment,
        "grants": role_grants(environments),
        "access": account_access(environments, documents),
    }
    return _write(directory, "account", variables)


def _models(environment: Environment, inputs: RenderInputs) -> dict[str, object]:
    return {
        name: model_variables(environment, name, inputs.model_data_s3_uris) for name in environment.models
    }


def _api(environment: Environment, inputs: RenderInputs) -> dict[str, object]:
    api = environment.api
    return {
        "stage": api.stage,
        "log_retention_days": api.log_retention_days,
        "throttle": api.throttle.model_dump(),
        "auth": api.auth,
        "key_header": api.key_header,
        "usage_plans": {name: plan.model_dump() for name, plan in api.usage_plans.items()},
        "keys": {name: key.model_dump() for name, key in api.keys.items()},
        "access_log": api.access_log,
        "alarms": api.alarms.model_dump(),
        "dashboard": api.dashboard,
        "cors": _dumped(api.cors),
        "private": _dumped(api.private),
        "domain": _dumped(api.domain),
        "waf": _dumped(api.waf),
        "gateway": {"package": inputs.gateway_package, **api.gateway.model_dump()},
        "authorizer": {"package": inputs.authorizer_package},
    }


def _dumped(section: ConfigModel | None) -> dict[str, object] | None:
    return None if section is None else section.model_dump()


def _write(directory: Path, stack: str, variables: Mapping[str, object]) -> Rendered:
    directory.mkdir(parents=True, exist_ok=True)
    rendered = Rendered([], [])
    for name in (f"{stack}.tfvars", f"{stack}.tfbackend"):
        path = directory / name
        content = render_template(name, variables).encode()
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)
            rendered.changed.append(path)
        rendered.paths.append(path)
    return rendered
