"""Renders Terraform variables and backend settings from an environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.environment import Environment
from toolkit.environment.api import Guard, Jwt
from toolkit.environment.base import ConfigModel
from toolkit.files import write_atomic
from toolkit.iam import Document
from toolkit.rendering.access import account_access
from toolkit.rendering.grants import role_grants
from toolkit.rendering.models import model_variables
from toolkit.rendering.runtime import RuntimeVariables
from toolkit.rendering.templates import render_template

__all__ = ["RenderInputs", "RuntimeVariables", "render", "render_account", "render_backend"]


@dataclass(frozen=True)
class RenderInputs:
    """Inputs that an environment file does not contain.

    Attributes:
        model_data_s3_uris: S3 prefixes of the staged weights, by `ResolvedVariant.weights`.
        gateway_package: path of the zip file of the gateway function, relative to the folder of the stack.
        authorizer_package: path of the zip file of the authorizer function, likewise.
        weights_bytes: known sizes of the staged weights, by `ResolvedVariant.weights`.
    """

    model_data_s3_uris: Mapping[str, str]
    gateway_package: str
    authorizer_package: str
    weights_bytes: Mapping[str, int] = field(default_factory=dict)


def render(environment: Environment, inputs: RenderInputs, directory: Path) -> Path:
    """Write the inference stack's variables to `directory`; returns their file.

    Equal inputs give equal bytes, and an unchanged file is not written.
    """
    variables = {
        "environment": environment,
        "models": _models(environment, inputs),
        "api": _api(environment, inputs),
    }
    return _write(directory / "inference.tfvars", "inference.tfvars", variables)


def render_account(
    environments: Sequence[Environment], documents: Sequence[Document], directory: Path
) -> Path:
    """Write the account stack's variables to `directory`; returns their file.

    Args:
        environments: the environment, then the others with the same account stack, whose models its role
            runs too.
        documents: IAM policies of all these environments.
        directory: output directory.
    """
    variables = {
        "environment": environments[0],
        "grants": role_grants(environments),
        "access": account_access(environments, documents),
    }
    return _write(directory / "account.tfvars", "account.tfvars", variables)


def render_backend(environment: Environment, stack: str, directory: Path) -> Path:
    """Write a stack's backend settings to `directory`; returns their file."""
    variables = {"environment": environment, "key": environment.state_keys[stack]}
    return _write(directory / f"{stack}.tfbackend", "tfbackend", variables)


def _models(environment: Environment, inputs: RenderInputs) -> dict[str, object]:
    return {
        name: model_variables(environment, name, inputs.model_data_s3_uris, inputs.weights_bytes)
        for name in environment.models
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
        "jwt": _jwt(api.jwt),
        "access_log": api.access_log,
        "alarms": api.alarms.model_dump(),
        "dashboard": api.dashboard,
        "cors": _dumped(api.cors),
        "private": _dumped(api.private),
        "domain": _dumped(api.domain),
        "waf": _dumped(api.waf),
        "guard": _guard(api.guard),
        "gateway": {"package": inputs.gateway_package, **api.gateway.model_dump()},
        "authorizer": {"package": inputs.authorizer_package, **api.authorizer.model_dump()},
    }


def _guard(guard: Guard | None) -> dict[str, object] | None:
    if guard is None:
        return None
    return {
        "bedrock": _dumped(guard.bedrock),
        "python": None if guard.python is None else guard.python.function,
        "models": guard.models,
        "sources": guard.sources,
        "roles": guard.roles,
        "window": guard.window_characters,
        "overlap": guard.overlap_characters,
        "timeout_seconds": guard.timeout_seconds,
    }


def _jwt(jwt: Jwt | None) -> dict[str, object] | None:
    if jwt is None:
        return None
    # A list, because Terraform sorts maps, and the first match applies.
    plans = [{"value": value, "usage_plan": plan} for value, plan in jwt.usage_plans.items()]
    return {**jwt.model_dump(), "usage_plans": plans}


def _dumped(section: ConfigModel | None) -> dict[str, object] | None:
    return None if section is None else section.model_dump()


def _write(path: Path, template: str, variables: Mapping[str, object]) -> Path:
    content = render_template(template, variables).encode()
    if not path.is_file() or path.read_bytes() != content:
        write_atomic(path, content)
    return path
