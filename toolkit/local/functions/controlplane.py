"""Where moto's Lambda falls short of what Terraform and the running instances need."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.awslambda.models import LambdaBackend, LambdaFunction

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
