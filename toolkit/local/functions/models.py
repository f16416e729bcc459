"""Functions as moto keeps them, and extensions of moto's control plane."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException, UnknownLayerException
from moto.awslambda.models import LambdaBackend, LambdaFunction, lambda_backends
from moto.awslambda.responses import LambdaResponse

from toolkit.local.functions import rules
from toolkit.local.functions.exceptions import FunctionNotFoundError
from toolkit.local.quotas.models import concurrency
from toolkit.local.service import ACCOUNT_ID

_ADAPTER_WRAPPER = "/opt/bootstrap"
# Defaults of PutFunctionEventInvokeConfig.
_MAX_RETRIES = 2
_MAX_EVENT_AGE_SECONDS = 6 * 3600


@dataclass(frozen=True)
class Function:
    """One version of a function. Equal versions can share an instance.

    Attributes:
        role: ARN of its execution role.
        code_sha256: hexadecimal.
        code: the zip file.
        reserved_concurrency: None if the account's limit applies.
        max_retries: of an asynchronous invocation after an error.
        max_event_age_seconds: of an asynchronous invocation, before scaling.
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
        """The program that starts instead of the runtime."""
        return self.environment.get("AWS_LAMBDA_EXEC_WRAPPER")

    @property
    def is_web(self) -> bool:
        """Whether it uses the Lambda Web Adapter."""
        return self.exec_wrapper == _ADAPTER_WRAPPER and bool(self.layers)


def find(region: str, name: str, qualifier: str | None = None) -> Function:
    """Find a function by name, partial ARN or ARN.

    Raises:
        FunctionNotFoundError: it does not exist.
    """
    try:
        version = lambda_backends[ACCOUNT_ID][region].get_function(name, qualifier)
    except UnknownFunctionException as error:
        raise FunctionNotFoundError(error.message) from error
    return _function(version)


def find_arn(arn: str) -> Function:
    """Find a function by its ARN.

    Raises:
        FunctionNotFoundError: it does not exist, or `arn` is not the ARN of a function.
    """
    parts = arn.split(":")
    if len(parts) not in (7, 8) or parts[2] != "lambda" or parts[5] != "function":
        raise FunctionNotFoundError(f"Function not version: {arn}")
    return find(parts[3], parts[6], parts[7] if len(parts) == 8 else None)


def names() -> Iterator[tuple[str, str, str]]:
    """Region, name and ARN of all functions, including those that cannot run here."""
    for region, backend in list(lambda_backends[ACCOUNT_ID].items()):
        for version in backend.list_functions():
            yield region, version.function_name, version.function_arn


def unreserved(region: str) -> int:
    """Concurrent executions of a region that the functions without reserved concurrency share."""
    functions = list(lambda_backends[ACCOUNT_ID][region].list_functions())
    return concurrency(region) - sum(int(function.reserved_concurrency or 0) for function in functions)


def _function(version: Any) -> Function:
    # Settings that all versions share.
    latest_version = lambda_backends[ACCOUNT_ID][version.region].get_function(version.function_name)
    asynchronous = latest_version.event_invoke_config[0].config if latest_version.event_invoke_config else {}
    reserved = latest_version.reserved_concurrency
    return Function(
        name=version.function_name,
        arn=version.function_arn,
        region=version.region,
        version=str(version.version),
        role=version.role,
        handler=version.handler or "",
        runtime=version.run_time or "",
        memory_mb=int(version.memory_size),
        timeout_seconds=float(version.timeout),
        environment=dict(version.environment_vars),
        layers=tuple(layer["Arn"] for layer in version.layers),
        log_group=version.logs_group_name,
        # An image has neither.
        code_sha256=getattr(version, "code_digest", ""),
        code=getattr(version, "code_bytes", b""),
        # 0 is a limit too.
        reserved_concurrency=None if reserved is None else int(reserved),
        max_retries=asynchronous.get("MaximumRetryAttempts", _MAX_RETRIES),
        max_event_age_seconds=asynchronous.get("MaximumEventAgeInSeconds", _MAX_EVENT_AGE_SECONDS),
    )


# Public layers of the Lambda Web Adapter (docs/guide/src/getting-started/zip-packages.md there).
_ADAPTER = re.compile(
    r"arn:aws:lambda:[a-z-]+-\d:753240598075:layer:LambdaAdapterLayer(Arm64|X86):\d+"
    r"|arn:aws-cn:lambda:cn-(north-1:041581134020|northwest-1:069767869989):layer:LambdaAdapterLayerX86:\d+"
)


@dataclass(frozen=True)
class _ForeignLayer:
    """A layer of another account, whose content is not available here."""

    arn: str
    code_size: int = 0


def extend(on_change: Callable[[str], None]) -> None:
    """Extend moto in this process.

    Args:
        on_change: called in moto's threads with the ARN of an updated or deleted function.
    """
    rules.extend()
    _accept_adapter_layers()
    _keep_all_settings()
    _replace_event_invoke_config()
    _report_changes(on_change)


def _accept_adapter_layers() -> None:
    own = LambdaBackend.layers_versions_by_arn

    def get_layer_version_by_arn(self: LambdaResponse) -> str:
        arn = self._get_param("Arn")
        # The library's answer for a layer that does not exist is an empty object.
        layer = self.backend.layers_versions_by_arn(arn)
        if layer is None:
            raise UnknownLayerException
        if isinstance(layer, _ForeignLayer):
            name, _, version = arn.rpartition(":")
            return json.dumps({"LayerVersionArn": arn, "LayerArn": name, "Version": int(version)})
        return json.dumps(layer.get_layer_version())

    def layers_versions_by_arn(self: LambdaBackend, layer_version_arn: str) -> Any:
        if _ADAPTER.fullmatch(layer_version_arn):
            return _ForeignLayer(layer_version_arn)
        return own(self, layer_version_arn)

    LambdaBackend.layers_versions_by_arn = layers_versions_by_arn  # type: ignore[method-assign]
    LambdaResponse.get_layer_version_by_arn = get_layer_version_by_arn  # type: ignore[attr-defined]


def _keep_all_settings() -> None:
    update_configuration = LambdaFunction.update_configuration
    update_code = LambdaFunction.update_function_code

    def update_all_settings(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
        if "TracingConfig" in config_updates:
            self.tracing_config = config_updates["TracingConfig"]
        if "EphemeralStorage" in config_updates:
            self.ephemeral_storage = config_updates["EphemeralStorage"]["Size"]
        environment = config_updates.get("Environment")
        if environment is not None:
            # An update without variables removes the last one.
            config_updates = {**config_updates, "Environment": {"Variables": {}, **environment}}
        return update_configuration(self, config_updates)

    def update_code_and_architectures(self: LambdaFunction, updated_spec: dict[str, Any]) -> dict[str, Any]:
        if "Architectures" in updated_spec:
            self.architectures = updated_spec["Architectures"]
        return update_code(self, updated_spec)

    LambdaFunction.update_configuration = update_all_settings  # type: ignore[method-assign]
    LambdaFunction.update_function_code = update_code_and_architectures  # type: ignore[method-assign]


def _replace_event_invoke_config() -> None:
    """Replace the configuration: moto appends each new one, and returns the first."""
    put = LambdaBackend.put_function_event_invoke_config

    def replace(self: LambdaBackend, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
        response = put(self, function_name, config)
        function = self.get_function(function_name)
        function.event_invoke_config = function.event_invoke_config[-1:]
        return response

    def update(self: LambdaBackend, function_name: str, config: dict[str, Any]) -> dict[str, Any]:
        previous = self.get_function(function_name).event_invoke_config
        return replace(self, function_name, {**(previous[0].config if previous else {}), **config})

    LambdaBackend.put_function_event_invoke_config = replace  # type: ignore[method-assign]
    LambdaBackend.update_function_event_invoke_config = update  # type: ignore[method-assign]


def _report_changes(on_change: Callable[[str], None]) -> None:
    def reporting(original: Callable[..., Any]) -> Callable[..., Any]:
        def changed(self: LambdaBackend, function_name: str, *args: Any, **kwargs: Any) -> Any:
            arn = self.get_function(function_name).function_arn
            result = original(self, function_name, *args, **kwargs)
            on_change(arn)
            return result

        return changed

    for name in ("delete_function", "update_function_code", "update_function_configuration"):
        setattr(LambdaBackend, name, reporting(getattr(LambdaBackend, name)))
