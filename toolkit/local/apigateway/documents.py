"""OpenAPI documents, whole: moto keeps only part of them, and its deployments hold nothing.

The document is kept with moto's API object, and a snapshot of what it says with each deployment; they
go away when those do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.apigateway.models import APIGatewayBackend, Deployment, RestAPI, apigateway_backends

from toolkit.local.apigateway import privateapis
from toolkit.local.apigateway.definition import ANY, INTEGRATION, METHODS, Definition
from toolkit.local.service import ACCOUNT_ID

_DOCUMENT = "toolkit_document"
_DEFINITION = "toolkit_definition"


@dataclass(frozen=True)
class AccessLogSettings:
    """A stage's access log.

    Attributes:
        destination: ARN of a log group.
        template: a line with `$context` variables.
    """

    destination: str
    template: str


@dataclass(frozen=True)
class DeployedStage:
    """A stage and what it serves.

    Attributes:
        method_settings: by `<path>/<VERB>`, with `*` for all.
        access_log: where each request is written down; None: nowhere.
    """

    api_id: str
    api_name: str
    region: str
    name: str
    deployment_id: str
    variables: dict[str, str]
    method_settings: Mapping[str, Mapping[str, Any]]
    access_log: AccessLogSettings | None
    definition: Definition

    @property
    def arn(self) -> str:
        """What the ARNs of its methods begin with."""
        return f"arn:aws:execute-api:{self.region}:{ACCOUNT_ID}:{self.api_id}/{self.name}"

    def settings_of(self, method: str) -> Mapping[str, Any]:
        """The settings of a method, `<path>/<VERB>`: its own, or those for all."""
        path, _, verb = method.rpartition("/")
        escaped = path.replace("~", "~0").replace("/", "~1")
        for name in (f"{escaped}/{verb}", f"{path.removeprefix('/')}/{verb}", "*/*"):
            if name in self.method_settings:
                return self.method_settings[name]
        return {}


def extend() -> None:
    """Extend moto in this process."""
    put_rest_api = APIGatewayBackend.put_rest_api
    create_deployment = APIGatewayBackend.create_deployment

    def put_and_keep(
        self: APIGatewayBackend,
        function_id: str,
        api_doc: dict[str, Any],
        fail_on_warnings: bool,
        mode: str = "merge",
    ) -> RestAPI:
        api = put_rest_api(self, function_id, _for_moto(api_doc), fail_on_warnings, mode)
        kept = getattr(api, _DOCUMENT, {}) if mode == "merge" else {}
        setattr(api, _DOCUMENT, _merged(kept, api_doc))
        api.api_key_source = Definition(api_doc).api_key_source
        api.root_resource_id = api.default.id
        return api

    def create_and_snapshot(
        self: APIGatewayBackend,
        function_id: str,
        name: str,
        description: str = "",
        stage_variables: Any = None,
    ) -> Deployment:
        api = self.get_rest_api(function_id)
        document = getattr(api, _DOCUMENT, {})
        privateapis.check_policy(api, document)
        deployment = create_deployment(self, function_id, name, description, stage_variables)
        setattr(deployment, _DEFINITION, Definition(document))
        return deployment

    APIGatewayBackend.put_rest_api = put_and_keep  # type: ignore[method-assign]
    APIGatewayBackend.create_deployment = create_and_snapshot  # type: ignore[method-assign]
    # For intercepting `requests` inside one process, which nobody uses here.
    RestAPI.update_integration_mocks = lambda *_: None  # type: ignore[method-assign]


def _for_moto(document: dict[str, Any]) -> dict[str, Any]:
    """The part that moto understands: it takes everything under a path for a method."""
    paths = {
        path: {
            "any" if name == ANY else name: _for_moto_operation(operation)
            for name, operation in operations.items()
            if name in METHODS or name == ANY
        }
        for path, operations in document.get("paths", {}).items()
    }
    return {**document, "paths": paths}


def _for_moto_operation(operation: dict[str, Any]) -> dict[str, Any]:
    integration = operation.get(INTEGRATION)
    if not isinstance(integration, dict):
        return operation
    # A mock has neither.
    return {**operation, INTEGRATION: {"uri": "", "httpMethod": "POST", **integration}}


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def find(api_id: str, stage_name: str) -> DeployedStage | None:
    """A stage, in whatever region it is."""
    for region, backend in list(apigateway_backends[ACCOUNT_ID].items()):
        api = backend.apis.get(api_id)
        if api is not None:
            return _deployed(region, api, stage_name)
    return None


def _deployed(region: str, api: RestAPI, stage_name: str) -> DeployedStage | None:
    stage = api.stages.get(stage_name)
    deployment = api.deployments.get(stage.deployment_id or "") if stage else None
    definition = getattr(deployment, _DEFINITION, None)
    if stage is None or definition is None:
        return None
    return DeployedStage(
        api_id=api.id,
        api_name=api.name,
        region=region,
        name=stage_name,
        deployment_id=str(stage.deployment_id),
        variables=dict(stage.variables),
        method_settings=stage.method_settings,
        access_log=_access_log(stage.access_log_settings),
        definition=definition,
    )


def _access_log(settings: Mapping[str, str] | None) -> AccessLogSettings | None:
    if not settings or not settings.get("destinationArn") or not settings.get("format"):
        return None
    return AccessLogSettings(settings["destinationArn"], settings["format"])


def apis() -> Iterator[tuple[str, RestAPI]]:
    """All REST APIs with their regions."""
    for region, backend in list(apigateway_backends[ACCOUNT_ID].items()):
        for api in list(backend.apis.values()):
            yield region, api
