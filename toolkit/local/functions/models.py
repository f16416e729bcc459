"""Functions as moto's Lambda control plane has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaBackend, LambdaFunction, lambda_backends

from toolkit.local.functions.exceptions import FunctionNotFoundError
from toolkit.local.service import ACCOUNT_ID

_ADAPTER_WRAPPER = "/opt/bootstrap"
_ADAPTER_LAYER = ":layer:LambdaAdapterLayer"
# Unless PutFunctionEventInvokeConfig says otherwise.
_MAX_RETRIES = 2
_MAX_EVENT_AGE_SECONDS = 6 * 3600


@dataclass(frozen=True)
class Function:
    """One version of a function. Equal ones can run in the same process.

    Attributes:
        role: ARN of the role that it runs as.
        code_sha256: hexadecimal.
        reserved_concurrency: how many invocations may run at once; None: as many as the account allows.
        code: the zip file.
        max_retries: how often an asynchronous invocation is tried again after an error.
        max_event_age_seconds: how long one is tried at all, on AWS.
    """

    name: str
    arn: str
    region: str
    version: str
    role: str
    handler: str
    runtime: str
    memory_mb: int
    timeout_seconds: float
    environment: Mapping[str, str]
    layers: tuple[str, ...]
    log_group: str
    code_sha256: str
    code: bytes = field(repr=False, compare=False)
    reserved_concurrency: int | None = field(default=None, compare=False)
    max_retries: int = field(default=_MAX_RETRIES, compare=False)
    max_event_age_seconds: float = field(default=_MAX_EVENT_AGE_SECONDS, compare=False)

    @property
    def exec_wrapper(self) -> str | None:
        """The program that starts in place of the runtime."""
        return self.environment.get("AWS_LAMBDA_EXEC_WRAPPER")

    @property
    def is_web(self) -> bool:
        """Whether the Lambda Web Adapter starts it."""
        return self.exec_wrapper == _ADAPTER_WRAPPER and any(_ADAPTER_LAYER in arn for arn in self.layers)


def find(region: str, name: str, qualifier: str | None = None) -> Function:
    """A function by name, partial or whole ARN.

    Raises:
        FunctionNotFoundError: moto knows none.
    """
    try:
        found = lambda_backends[ACCOUNT_ID][region].get_function(name, qualifier)
    except UnknownFunctionException as error:
        raise FunctionNotFoundError(error.message) from error
    return _function(found)


def find_arn(arn: str) -> Function:
    """A function by its whole ARN, which names its region.

    Raises:
        FunctionNotFoundError: there is none, or `arn` is no function's ARN.
    """
    parts = arn.split(":")
    if len(parts) not in (7, 8) or parts[2] != "lambda" or parts[5] != "function":
        raise FunctionNotFoundError(f"Function not found: {arn}")
    return find(parts[3], parts[6], parts[7] if len(parts) == 8 else None)


def latest() -> Iterator[Function]:
    """All functions of all regions, without their older versions."""
    for backend in list(lambda_backends[ACCOUNT_ID].values()):
        for found in backend.list_functions():
            yield _function(found)


def _function(found: Any) -> Function:
    # What is the function's, for all its versions.
    whole = lambda_backends[ACCOUNT_ID][found.region].get_function(found.function_name)
    asynchronous = whole.event_invoke_config[0].config if whole.event_invoke_config else {}
    return Function(
        name=found.function_name,
        arn=found.function_arn,
        region=found.region,
        version=str(found.version),
        role=found.role,
        handler=found.handler or "",
        runtime=found.run_time or "",
        memory_mb=int(found.memory_size),
        timeout_seconds=float(found.timeout),
        environment=dict(found.environment_vars),
        layers=tuple(layer["Arn"] for layer in found.layers),
        log_group=found.logs_group_name,
        code_sha256=found.code_digest,
        code=found.code_bytes,
        # 0 means that nothing may run.
        reserved_concurrency=None if whole.reserved_concurrency is None else int(whole.reserved_concurrency),
        max_retries=asynchronous.get("MaximumRetryAttempts", _MAX_RETRIES),
        max_event_age_seconds=asynchronous.get("MaximumEventAgeInSeconds", _MAX_EVENT_AGE_SECONDS),
    )


# The layers that the Lambda Web Adapter's authors share with all accounts.
_ADAPTER = re.compile(r"arn:aws[\w-]*:lambda:[\w-]+:753240598075:layer:LambdaAdapterLayer(Arm64|X86):\d+")


@dataclass(frozen=True)
class _ForeignLayer:
    """Of a layer in another account one knows the address only; its content is not here."""

    arn: str
    code_size: int = 0


def extend(on_change: Callable[[str], None]) -> None:
    """Extend moto in this process.

    Args:
        on_change: called, in moto's threads, with the ARN of a function that was changed or deleted.
    """
    _accept_adapter_layers()
    _keep_all_settings()
    _replace_event_invoke_config()
    _tell_changes(on_change)


def _accept_adapter_layers() -> None:
    own = LambdaBackend.layers_versions_by_arn

    def layers_versions_by_arn(self: LambdaBackend, layer_version_arn: str) -> Any:
        if _ADAPTER.fullmatch(layer_version_arn):
            return _ForeignLayer(layer_version_arn)
        return own(self, layer_version_arn)

    LambdaBackend.layers_versions_by_arn = layers_versions_by_arn  # type: ignore[method-assign]


def _keep_all_settings() -> None:
    update_configuration = LambdaFunction.update_configuration
    update_code = LambdaFunction.update_function_code

    def whole_configuration(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
        if "TracingConfig" in config_updates:
            self.tracing_config = config_updates["TracingConfig"]
        if "EphemeralStorage" in config_updates:
            self.ephemeral_storage = config_updates["EphemeralStorage"]["Size"]
        environment = config_updates.get("Environment")
        if environment is not None:
            # Without variables, the last one is being removed.
            config_updates = {**config_updates, "Environment": {"Variables": {}, **environment}}
        return update_configuration(self, config_updates)

    def whole_code(self: LambdaFunction, updated_spec: dict[str, Any]) -> dict[str, Any]:
        if "Architectures" in updated_spec:
            self.architectures = updated_spec["Architectures"]
        return update_code(self, updated_spec)

    LambdaFunction.update_configuration = whole_configuration  # type: ignore[method-assign]
    LambdaFunction.update_function_code = whole_code  # type: ignore[method-assign]


def _replace_event_invoke_config() -> None:
    """Where moto answers with the first one that was ever put, and updates by adding another."""
    put = LambdaBackend.put_function_event_invoke_config

    def replace(self: LambdaBackend, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
        answer = put(self, function_name, config)
        found = self.get_function(function_name)
        found.event_invoke_config = found.event_invoke_config[-1:]
        return answer

    def update(self: LambdaBackend, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
        known = self.get_function(function_name).event_invoke_config
        return replace(self, function_name, {**(known[0].config if known else {}), **config})

    LambdaBackend.put_function_event_invoke_config = replace  # type: ignore[method-assign]
    LambdaBackend.update_function_event_invoke_config = update  # type: ignore[method-assign]


def _tell_changes(on_change: Callable[[str], None]) -> None:
    def telling(original: Callable[..., Any]) -> Callable[..., Any]:
        def changed(self: LambdaBackend, function_name: str, *args: Any, **kwargs: Any) -> Any:
            arn = self.get_function(function_name).function_arn
            result = original(self, function_name, *args, **kwargs)
            on_change(arn)
            return result

        return changed

    for name in ("delete_function", "update_function_code", "update_function_configuration"):
        setattr(LambdaBackend, name, telling(getattr(LambdaBackend, name)))
