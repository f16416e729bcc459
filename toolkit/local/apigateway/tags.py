"""Tags of APIs, stages, usage plans, keys and domains: moto takes them only when something is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from moto.apigateway.models import apigateway_backends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from toolkit.local.awsapi import ApiError
from toolkit.local.service import ACCOUNT_ID

# What has tags of its own; all that is below it inherits them.
TAGGED = re.compile(
    r"/(?P<kind>restapis|usageplans|apikeys|domainnames)/(?P<id>[^/]+)(?:/stages/(?P<stage>[^/]+))?"
)
_ARN = re.compile(r"arn:[^:]+:apigateway:(?P<region>[^:]+)::(?P<path>/.+)")


def holder_of(region: str, path: str, account_id: str = ACCOUNT_ID) -> Any | None:
    """moto's object with the tags of a path; of what is below a stage or an API it is that one.

    Args:
        region: of the API.
        path: such as `/restapis/abc/stages/live`.
        account_id: whose it is.
    """
    match = TAGGED.match(path)
    if match is None:
        return None
    backend = apigateway_backends[account_id][region]
    kinds: dict[str, Mapping[str, Any]] = {
        "restapis": backend.apis,
        "usageplans": backend.usage_plans,
        "apikeys": backend.keys,
        "domainnames": backend.domain_names,
    }
    found = kinds[match["kind"]].get(match["id"])
    return found.stages.get(match["stage"]) if found is not None and match["stage"] else found


async def operate(request: Request) -> Response:
    """GetTags, TagResource and UntagResource.

    Raises:
        ApiError: there is no such resource.
    """
    match = _ARN.fullmatch(request.path_params["arn"])
    holder = holder_of(match["region"], match["path"]) if match is not None else None
    if holder is None:
        raise ApiError("NotFoundException", "Invalid resource identifier specified", status=404)
    tags = dict(holder.tags or {})
    if request.method == "GET":
        return JSONResponse({"tags": tags})
    if request.method == "PUT":
        tags |= (await request.json())["tags"]
    else:
        removed = request.query_params.getlist("tagKeys")
        tags = {name: value for name, value in tags.items() if name not in removed}
    holder.tags = tags
    return Response(status_code=204)
