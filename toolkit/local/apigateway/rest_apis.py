"""Settings of REST APIs: creation, imports (PutRestApi) and patches, with AWS's rules in place of moto's.

Sources: botocore's model of `apigateway`; the AWS provider (internal/service/apigateway/rest_api.go), which
repairs what an import with `overwrite` resets; "IP address types for REST APIs" in the developer guide; the
errors in hashicorp/terraform-provider-aws#14269 and aws/aws-cdk#9588, and in terraform-provider-aws#42169 the
VPC endpoints that API Gateway drops.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from moto.apigateway.exceptions import BadRequestException
from moto.apigateway.models import APIGatewayBackend, RestAPI

from toolkit.local.apigateway.openapi import Definition
from toolkit.local.service import ACCOUNT_ID

_Patch = Mapping[str, Any]
_Change = Callable[[RestAPI, _Patch, str], None]
_MAX_COMPRESSION: Final = 10_485_760
# "execute-api:/*" is short for this API (x-amazon-apigateway-policy in the developer guide).
_OWN_RESOURCE: Final = '"execute-api:/'


def extend() -> None:
    """Extend moto in this process."""
    create = RestAPI.__init__
    update = APIGatewayBackend.update_rest_api
    describe = RestAPI.to_dict

    def create_checked(self: RestAPI, *args: Any, **kwargs: Any) -> None:
        create(self, *args, **kwargs)
        self.endpoint_configuration = _endpoint(self.endpoint_configuration)
        self.policy = _policy(self, self.policy)

    def describe_set(self: RestAPI) -> dict[str, Any]:
        members = {name: value for name, value in describe(self).items() if value is not None}
        # A string within a string, for which clients unescape it once more.
        policy = {"policy": json.dumps(self.policy)[1:-1]} if self.policy else {}
        return {**members, **policy}

    def update_atomically(
        self: APIGatewayBackend, function_id: str, patch_operations: list[dict[str, Any]]
    ) -> RestAPI:
        api = self.get_rest_api(function_id)
        before = {**vars(api), "endpoint_configuration": dict(api.endpoint_configuration)}
        try:
            return update(self, function_id, patch_operations)
        except BadRequestException:
            vars(api).update(before)
            raise

    RestAPI.__init__ = create_checked  # type: ignore[method-assign]
    RestAPI.to_dict = describe_set  # type: ignore[method-assign]
    RestAPI.apply_patch_operations = _apply  # type: ignore[method-assign,assignment]
    APIGatewayBackend.update_rest_api = update_atomically  # type: ignore[method-assign]


def apply_import(api: RestAPI, document: Mapping[str, Any], *, overwrite: bool) -> None:
    """Set what a document sets; with `overwrite`, reset what it does not mention."""
    info = document.get("info", {})
    api.name = info.get("title", api.name)
    # Member of RestApi → value in the document, value if a document that overwrites has none.
    imported: dict[str, tuple[Any, Any]] = {
        "description": (info.get("description"), None),
        "policy": (document.get("x-amazon-apigateway-policy"), None),
        "minimum_compression_size": (document.get("x-amazon-apigateway-minimum-compression-size"), None),
        "binaryMediaTypes": (document.get("x-amazon-apigateway-binary-media-types"), []),
    }
    for name, (value, default) in imported.items():
        if value is not None or overwrite:
            setattr(api, name, default if value is None else value)
    if overwrite or "x-amazon-apigateway-api-key-source" in document:
        api.api_key_source = Definition(document).api_key_source
    if overwrite:
        api.endpoint_configuration = {
            name: value for name, value in api.endpoint_configuration.items() if name != "vpcEndpointIds"
        }
    api.policy = _policy(api, api.policy)


def _apply(api: RestAPI, patch_operations: list[dict[str, Any]]) -> None:
    for patch in patch_operations:
        name, _, rest = patch["path"].removeprefix("/").partition("/")
        change = _CHANGES.get(name)
        if change is None:
            raise BadRequestException(f"Invalid patch path {patch['path']}")
        change(api, patch, rest)
    api.endpoint_configuration = _endpoint(api.endpoint_configuration)


def _replace(
    attribute: str, parse: Callable[[RestAPI, Any], object]
) -> Callable[[RestAPI, _Patch, str], None]:
    def change(api: RestAPI, patch: _Patch, _: str) -> None:
        if patch["op"] != "replace":
            raise BadRequestException("Invalid patch operation specified. Must be one of: [replace]")
        setattr(api, attribute, parse(api, patch.get("value")))

    return change


def _media_type(api: RestAPI, patch: _Patch, rest: str) -> None:
    kept = [kind for kind in api.binaryMediaTypes if kind != _unescaped(rest)]
    api.binaryMediaTypes = kept if patch["op"] == "remove" else [*kept, _unescaped(rest)]


def _unescaped(text: str) -> str:
    """A part of a path without the escapes of JSON Pointer."""
    return text.replace("~1", "/").replace("~0", "~")


def _endpoint_member(api: RestAPI, patch: _Patch, rest: str) -> None:
    configuration, value = dict(api.endpoint_configuration), patch.get("value")
    kind = rest.partition("/")[0]
    if kind == "types":
        # Errors as LocalStack recorded them (test_update_rest_api_ip_address_type).
        if value not in ("EDGE", "PRIVATE", "REGIONAL"):
            message = "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE"
            raise BadRequestException(message)
        if configuration["types"] == ["PRIVATE"] and value == "EDGE":
            raise BadRequestException("A private API cannot become edge-optimized")
        configuration["types"] = [value]
        # A private API is dualstack, and only a private API keeps its VPC endpoints.
        if value == "PRIVATE":
            configuration["ipAddressType"] = "dualstack"
        else:
            configuration.pop("vpcEndpointIds", None)
    elif kind == "ipAddressType":
        if value not in ("ipv4", "dualstack"):
            raise BadRequestException("ipAddressType must be either ipv4 or dualstack.")
        configuration["ipAddressType"] = value
    elif kind == "vpcEndpointIds":
        others = [endpoint for endpoint in configuration.get("vpcEndpointIds", []) if endpoint != value]
        configuration["vpcEndpointIds"] = [*others, value] if patch["op"] == "add" else others
    else:
        raise BadRequestException(f"Invalid patch path {patch['path']}")
    api.endpoint_configuration = configuration


def _endpoint(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """A complete and valid endpoint configuration."""
    private = configuration["types"] == ["PRIVATE"]
    address_type = configuration.get("ipAddressType") or ("dualstack" if private else "ipv4")
    if private and address_type == "ipv4":
        raise BadRequestException("Only dualstack ipAddressType is supported for Private APIs.")
    endpoints = configuration.get("vpcEndpointIds")
    if endpoints and not private:
        raise BadRequestException("VPCEndpoints can only be specified with PRIVATE apis.")
    members = {"types": configuration["types"], "ipAddressType": address_type}
    return {**members, "vpcEndpointIds": endpoints} if endpoints else members


def _policy(api: RestAPI, value: Any) -> str | None:
    """A resource policy as API Gateway keeps it; an empty string removes it, as the provider does."""
    if not value:
        return None
    try:
        document = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        document = None
    if not isinstance(document, dict) or not document.get("Statement"):
        raise BadRequestException(
            "Invalid policy document. Please check the policy syntax and ensure that Principals are valid."
        )
    own = f'"arn:aws:execute-api:{api.region_name}:{ACCOUNT_ID}:{api.id}/'
    return json.dumps(document, separators=(",", ":")).replace(_OWN_RESOURCE, own)


def _compression(_: RestAPI, value: Any) -> int | None:
    if not value:
        return None
    if not str(value).isdigit() or int(value) > _MAX_COMPRESSION:
        raise BadRequestException(
            f"Invalid minimum compression size, must be between 0 and {_MAX_COMPRESSION}"
        )
    return int(value)


# Member of RestApi → its change (API Gateway's table of patch operations).
_CHANGES: Final[Mapping[str, _Change]] = {
    "apiKeySource": _replace("api_key_source", lambda _, value: value),
    "binaryMediaTypes": _media_type,
    "description": _replace("description", lambda _, value: value or None),
    "disableExecuteApiEndpoint": _replace("disableExecuteApiEndpoint", lambda _, value: value == "true"),
    "endpointConfiguration": _endpoint_member,
    "minimumCompressionSize": _replace("minimum_compression_size", _compression),
    "name": _replace("name", lambda _, value: value),
    "policy": _replace("policy", _policy),
}
