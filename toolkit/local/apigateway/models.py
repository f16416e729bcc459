"""REST APIs, stages and their tags: moto's models, extended, and what a deployed stage serves.

moto keeps only part of an OpenAPI document, and nothing of it in a deployment. The whole document is an
attribute of moto's `RestAPI`, its parsed snapshot one of each `Deployment`, so both are deleted with them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moto.apigateway.exceptions import BadRequestException
from moto.apigateway.models import APIGatewayBackend, Deployment, RestAPI, Stage, apigateway_backends

from toolkit.local.apigateway import rest_apis, rules
from toolkit.local.apigateway.openapi import ANY, INTEGRATION, METHODS, Definition
from toolkit.local.service import ACCOUNT_ID

_DOCUMENT = "toolkit_document"
_DEFINITION = "toolkit_definition"
_CREATED, _UPDATED = "toolkit_created", "toolkit_updated"
_TAGGED: Final = re.compile(
    r"/(?P<kind>restapis|usageplans|apikeys|domainnames)/(?P<id>[^/]+)(?:/stages/(?P<stage>[^/]+))?"
)


@dataclass(frozen=True)
class AccessLogSettings:
    """Access log settings of a stage.

    Attributes:
        destination: ARN of a log group.
        template: format of a line, with `$context` variables.
    """

    destination: str
    template: str


@dataclass(frozen=True)
class DeployedStage:
    """A stage and the deployment that it serves.

    Attributes:
        method_settings: by `<path>/<VERB>`; `*/*` applies to all methods.
        access_log: None if requests are not logged.
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
        """The prefix of its methods' ARNs."""
        return f"arn:aws:execute-api:{self.region}:{ACCOUNT_ID}:{self.api_id}/{self.name}"

    def settings_of(self, method: str) -> Mapping[str, Any]:
        """The settings of a method, `<path>/<VERB>`; by default those of `*/*`."""
        path, _, verb = method.rpartition("/")
        escaped = path.replace("~", "~0").replace("/", "~1")
        for name in (f"{escaped}/{verb}", f"{path.removeprefix('/')}/{verb}", "*/*"):
            if name in self.method_settings:
                return self.method_settings[name]
        return {}


def extend() -> None:
    """Extend moto in this process."""
    rest_apis.extend()
    rules.extend()
    _keep_documents()
    _keep_stage_dates()
    # Meant for intercepting `requests` in one process, which the cloud does not do.
    RestAPI.update_integration_mocks = lambda *_: None  # type: ignore[method-assign]


def _keep_documents() -> None:
    put_rest_api = APIGatewayBackend.put_rest_api
    create_deployment = APIGatewayBackend.create_deployment

    def put_and_keep(
        self: APIGatewayBackend,
        function_id: str,
        api_doc: dict[str, Any],
        fail_on_warnings: bool,
        mode: str = "merge",
    ) -> RestAPI:
        rules.check_import(api_doc)
        api = put_rest_api(self, function_id, _for_moto(api_doc), fail_on_warnings, mode)
        previous = getattr(api, _DOCUMENT, {}) if mode == "merge" else {}
        setattr(api, _DOCUMENT, _merged(previous, api_doc))
        rest_apis.apply_import(api, api_doc, overwrite=mode == "overwrite")
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
        if api.endpoint_configuration["types"] == ["PRIVATE"] and not api.policy:
            raise BadRequestException("Private REST API doesn't have a resource policy attached to it")
        deployment = create_deployment(self, function_id, name, description, stage_variables)
        setattr(deployment, _DEFINITION, Definition(document))
        return deployment

    APIGatewayBackend.put_rest_api = put_and_keep  # type: ignore[method-assign]
    APIGatewayBackend.create_deployment = create_and_snapshot  # type: ignore[method-assign]


def _keep_stage_dates() -> None:
    """Keep when a stage was created and last updated, which moto does not."""
    original, apply_operations, to_json = Stage.__init__, Stage.apply_operations, Stage.to_json

    def create(self: Stage, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        now = int(time.time())  # once: a second may begin in between
        setattr(self, _CREATED, now)
        setattr(self, _UPDATED, now)

    def update(self: Stage, patch_operations: list[dict[str, Any]]) -> Stage:
        stage = apply_operations(self, patch_operations)
        setattr(self, _UPDATED, int(time.time()))
        return stage

    def describe(self: Stage) -> dict[str, Any]:
        dates = {"createdDate": getattr(self, _CREATED), "lastUpdatedDate": getattr(self, _UPDATED)}
        return {**to_json(self), **dates}

    Stage.__init__ = create  # type: ignore[method-assign]
    Stage.apply_operations = update  # type: ignore[method-assign]
    Stage.to_json = describe  # type: ignore[method-assign]


def _for_moto(document: dict[str, Any]) -> dict[str, Any]:
    """The part of a document that moto understands: it reads every key of a path as a method."""
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
    # A mock integration has neither.
    return {**operation, INTEGRATION: {"uri": "", "httpMethod": "POST", **integration}}


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def find(api_id: str, stage_name: str) -> DeployedStage | None:
    """A deployed stage, in any region."""
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
    """All REST APIs, each with its region."""
    for region, backend in list(apigateway_backends[ACCOUNT_ID].items()):
        for api in list(backend.apis.values()):
            yield region, api


def holder_of(region: str, path: str, account_id: str = ACCOUNT_ID) -> Any | None:
    """moto's object with the tags of a resource: the API or stage itself for all that belongs to it.

    Args:
        region: of the API.
        path: such as `/restapis/abc/stages/live`.
        account_id: the owner.
    """
    match = _TAGGED.match(path)
    if match is None:
        return None
    backend = apigateway_backends[account_id][region]
    kinds: dict[str, Mapping[str, Any]] = {
        "restapis": backend.apis,
        "usageplans": backend.usage_plans,
        "apikeys": backend.keys,
        "domainnames": backend.domain_names,
    }
    holder = kinds[match["kind"]].get(match["id"])
    return holder.stages.get(match["stage"]) if holder is not None and match["stage"] else holder
