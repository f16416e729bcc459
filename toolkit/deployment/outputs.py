"""The outputs of a deployed environment: addresses and names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from toolkit import documents
from toolkit.deployment.context import Context
from toolkit.errors import PreflightError, ToolkitError
from toolkit.terraform import state_file


@dataclass(frozen=True)
class DeployedModel:
    """A deployed model.

    Attributes:
        endpoint_name: SageMaker endpoint.
        endpoint_type: `realtime`, `serverless` or `async`.
        endpoint_config_name: the planned endpoint configuration.
        variant_names: production variants.
        model_names: the SageMaker model of each variant.
        instance_types: instance type of each variant; None if it is serverless.
        alarm_names: CloudWatch alarms that roll a deployment back.
        async_output_s3_uri: where an asynchronous endpoint writes responses; None for others.
    """

    endpoint_name: str
    endpoint_type: str
    endpoint_config_name: str
    variant_names: list[str]
    model_names: dict[str, str]
    instance_types: dict[str, str | None]
    alarm_names: list[str]
    async_output_s3_uri: str | None = None


@dataclass(frozen=True)
class _StackOutputs:
    """The stack's outputs in the state."""

    region: str
    models: dict[str, DeployedModel]
    api_id: str
    api_stage: str
    api_invoke_url: str
    functions: dict[str, str]
    log_groups: dict[str, str]
    usage_plan_ids: dict[str, str]
    paused: bool
    api_domain_url: str | None = None
    jwt_keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outputs:
    """A deployed environment.

    Attributes:
        environment: its name.
        region: AWS region.
        account_id: AWS account.
        api_base_url: `base_url` for an OpenAI client; ends in `/v1`.
        aws_endpoint_url: the embedded cloud's address; None on AWS.
        models: by their name in the API.
        functions: Lambda functions by role, `gateway` and `authorizer`.
        log_groups: CloudWatch log groups by source.
        usage_plan_ids: usage plans for API keys, by name.
        paused: whether the endpoints are deleted and everything else is deployed.
        jwt_keys: values of the API keys that stand for callers with a JWT, by usage plan; clients cannot use
            them.
    """

    environment: str
    region: str
    account_id: str
    api_base_url: str
    aws_endpoint_url: str | None
    models: dict[str, DeployedModel]
    functions: dict[str, str]
    log_groups: dict[str, str]
    usage_plan_ids: dict[str, str]
    paused: bool
    jwt_keys: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For `--json`: every attribute that has a value and is of use to clients."""
        members = asdict(self)
        del members["jwt_keys"]
        return {name: value for name, value in members.items() if value is not None}


def read(context: Context) -> Outputs:
    """The outputs of the environment's last apply.

    Raises:
        PreflightError: it is not deployed, its last apply was incomplete, or another version applied it.
        TerraformError: the state is damaged.
    """
    raw, name = context.state.outputs, context.environment.name
    if raw.get("models") in (None, {}):
        raise PreflightError(f"environment {name} is not deployed", remedy=f"make apply ENV={name}")
    try:
        stack = documents.parse(json.dumps(raw), _StackOutputs)
    except documents.DamagedError as damage:
        # Terraform stores outputs that an incomplete apply leaves unknown as null, or not at all.
        error: ToolkitError = state_file.damaged(context.state_uri)
        if damage.incomplete:
            remedy = f"complete the last apply: make apply ENV={name}"
            error = PreflightError(f"environment {name} is not fully deployed", remedy=remedy)
        error.details = (f"outputs: {damage}",)
        raise error from None
    return Outputs(
        environment=name,
        region=stack.region,
        account_id=context.environment.account_id,
        api_base_url=_base_url(context, stack),
        aws_endpoint_url=context.access.endpoint_url,
        models=dict(sorted(stack.models.items())),
        functions=stack.functions,
        log_groups=stack.log_groups,
        usage_plan_ids=stack.usage_plan_ids,
        paused=stack.paused,
        jwt_keys=stack.jwt_keys,
    )


def deployed_models(raw: Mapping[str, Any]) -> dict[str, DeployedModel]:
    """The models among Terraform's outputs: as planned, even after a failed apply; empty if damaged."""
    try:
        return documents.parse(json.dumps(raw.get("models", {})), dict[str, DeployedModel])
    except documents.DamagedError:
        return {}


def _base_url(context: Context, stack: _StackOutputs) -> str:
    if context.access.endpoint_url is None:
        return f"{stack.api_domain_url or stack.api_invoke_url}/v1"
    # Terraform only knows the stage's address on AWS.
    return f"{context.access.endpoint_url}/_aws/execute-api/{stack.api_id}/{stack.api_stage}/v1"
