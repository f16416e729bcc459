"""The Lambda functions as Lambda reports them: their state, their code, and the models that they serve."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit import documents
from toolkit.aws import state_bucket
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.deployment.rollout import waiters
from toolkit.smoke.causes import Commands
from toolkit.smoke.results import FailedError, Task
from toolkit.terraform import lambda_state

if TYPE_CHECKING:
    from types_boto3_lambda.type_defs import GetFunctionResponseTypeDef


@dataclass(frozen=True)
class ServedModel:
    """A model in the gateway's configuration, as far as the smoke test uses it.

    Attributes:
        endpoint: the endpoint that the gateway calls; None if it derives the name.
        dialect: API of the container.
        capabilities: tasks of the model besides text.
        aliases: further names of the model.
        max_tokens_ceiling: the longest response that a client may request.
    """

    endpoint: str | None = None
    dialect: str = "openai"
    capabilities: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    max_tokens_ceiling: int | None = None

    @property
    def task(self) -> Task:
        """Its task; an embedding or ranking model generates no useful text."""
        if "rerank" in self.capabilities:
            return "ranking"
        return "embedding" if self.dialect == "tei" or "embeddings" in self.capabilities else "text"


Models = dict[str, ServedModel]


@dataclass
class Functions:
    """The deployed functions.

    Attributes:
        context: the environment.
        outputs: what is deployed.
        seconds: how long to wait until Lambda has created or updated a function.
    """

    context: Context
    outputs: Outputs
    seconds: float
    _responses: dict[str, GetFunctionResponseTypeDef] = field(default_factory=dict)

    def check(self, part: str) -> str:
        """Check a function's state and code, and the gateway's models.

        Raises:
            FailedError: it is not as the last apply or sync left it.
        """
        commands = Commands(self.context.environment)
        name, response = self.outputs.functions[part], self._stable(part)
        configuration = response["Configuration"]
        for state, healthy, reason in (
            (configuration.get("State", "Active"), ("Active", "Inactive"), configuration.get("StateReason")),
            (
                configuration.get("LastUpdateStatus", "Successful"),
                ("Successful",),
                configuration.get("LastUpdateStatusReason"),
            ),
        ):
            if state not in healthy:
                detail = f"{name} is {state}" + (f": {reason}" if reason else "")
                raise FailedError(detail, "Lambda cannot run the function", commands(f"logs {part}"))
        if response.get("Concurrency", {}).get("ReservedConcurrentExecutions") == 0:
            cause = "its reserved concurrency is 0, so that Lambda throttles every request"
            raise FailedError(f"{name} may not run", cause, commands("drift"))
        deployed = self._deployed_code().get(name)
        if deployed is not None and deployed != configuration["CodeSha256"]:
            cause = "its code was changed outside of the toolkit"
            raise FailedError(f"{name} runs other code than the last apply or sync", cause, commands("drift"))
        if part == "gateway":
            self._check_models(commands)
        return f"{name}, code as deployed"

    def models(self) -> Models:
        """The models that the gateway serves, by name.

        Raises:
            FailedError: its configuration is damaged.
        """
        commands = Commands(self.context.environment)
        variables: Mapping[str, str] = (
            self._get("gateway")["Configuration"].get("Environment", {}).get("Variables", {})
        )
        cause = "the function's environment variables were changed outside of the toolkit"
        try:
            return documents.parse(variables.get("GATEWAY_MODELS", ""), Models)
        except documents.DamagedError as damage:
            raise FailedError(f"GATEWAY_MODELS: {damage}", cause, commands("drift")) from None

    def _check_models(self, commands: Commands) -> None:
        served = self.models()
        for name, model in self.outputs.models.items():
            if model.endpoint_type == "async":
                continue
            if name not in served:
                cause = "the gateway's configuration was changed outside of the toolkit"
                raise FailedError(f"the gateway does not serve {name}", cause, commands("drift"))
            # Without an endpoint, the gateway derives the name as Terraform does.
            endpoint = served[name].endpoint or model.endpoint_name
            if endpoint != model.endpoint_name:
                raise FailedError(
                    f"the gateway calls {endpoint} for {name}, not {model.endpoint_name}",
                    "the gateway's configuration was changed outside of the toolkit",
                    commands("drift"),
                )
            declared = self.context.environment.models.get(name)
            if declared is not None and set(declared.aliases) != set(served[name].aliases):
                aliases = ", ".join(served[name].aliases) or "none"
                raise FailedError(
                    f"the aliases of {name} are {aliases}, not {', '.join(declared.aliases) or 'none'}",
                    "the environment file is not applied, or the function was changed outside of the toolkit",
                    commands("plan"),
                )

    def _stable(self, part: str) -> GetFunctionResponseTypeDef:
        """The function once Lambda no longer changes it, or when the time is over."""
        self._responses.pop(part, None)
        response = self._get(part)
        if not _changing(response):
            return response
        deadline, pace = time.monotonic() + self.seconds, waiters.pace(self.context.access)
        with self.context.console.progress(
            f"waiting until Lambda has updated {self.outputs.functions[part]}"
        ):
            while _changing(response) and time.monotonic() < deadline:
                time.sleep(pace.next(changed=False))
                self._responses.pop(part, None)
                response = self._get(part)
        return response

    def _get(self, part: str) -> GetFunctionResponseTypeDef:
        if part not in self._responses:
            # Deployers have the permission for GetFunction, not for GetFunctionConfiguration.
            access = self.context.access.lambda_
            self._responses[part] = access.get_function(FunctionName=self.outputs.functions[part])
        return self._responses[part]

    def _deployed_code(self) -> Mapping[str, str]:
        environment = self.context.environment
        content = state_bucket.read(self.context.access, environment.state_bucket, environment.state_key)
        return {} if content is None else lambda_state.digests(content, self.context.state_uri)


def _changing(response: GetFunctionResponseTypeDef) -> bool:
    configuration = response["Configuration"]
    return configuration.get("State") == "Pending" or configuration.get("LastUpdateStatus") == "InProgress"
