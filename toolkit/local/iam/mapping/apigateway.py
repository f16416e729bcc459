"""API Gateway: the action is the HTTP method, the resource is the path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from toolkit.local.iam.exceptions import UnmappedRequestError
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.mapping.reference import Check, action
from toolkit.local.iam.models import PARTITION

_TAGS_PATH = "/tags/"
# Setting an API's resource policy needs another action.
_POLICY_IN_DOCUMENT = b"x-amazon-apigateway-policy"


def checks(call: ApiCall, parameters: Mapping[str, Any], body: bytes) -> Iterator[Check]:
    """The checks of an API Gateway operation.

    Raises:
        UnmappedRequestError: the HTTP method is not an action.
    """
    region, path, method = call.signature.region, call.path.rstrip("/"), call.method
    if path.startswith(_TAGS_PATH):
        tagged = unquote(path.removeprefix(_TAGS_PATH))
        yield _check(method, region, _TAGS_PATH + quote(tagged, safe=""))
        if method == "PUT":
            # Tagging is also an update of the resource.
            yield _check("PATCH", region, tagged.partition("::")[2])
        return
    yield _check(method, region, path)
    if method == "POST" and parameters.get("tags"):
        # The new resource has no id yet: its ARN has a literal asterisk.
        collection = f"{_arn(region, path)}/"
        yield _check("PUT", region, f"{_TAGS_PATH}{quote(collection, safe='')}*")
    if path.startswith("/restapis") and _sets_policy(parameters, body):
        yield _check("UpdateRestApiPolicy", region, path)


def _sets_policy(parameters: Mapping[str, Any], body: bytes) -> bool:
    patches = parameters.get("patchOperations") or []
    return (
        bool(parameters.get("policy"))
        or any(str(patch.get("path", "")).startswith("/policy") for patch in patches)
        or re.search(_POLICY_IN_DOCUMENT, body) is not None
    )


def _check(name: str, region: str, path: str) -> Check:
    needed = action("apigateway", name)
    if needed is None:
        raise UnmappedRequestError(f"unknown action for API Gateway's {name}")
    return Check(needed, _arn(region, path))


def _arn(region: str, path: str) -> str:
    return f"arn:{PARTITION}:apigateway:{region}::{path}"
