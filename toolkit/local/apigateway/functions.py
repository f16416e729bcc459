"""The function that an integration's or authorizer's URI names."""

from __future__ import annotations

import re

from toolkit.local.apigateway.errors import misconfigured
from toolkit.local.functions import function
from toolkit.local.functions.errors import FunctionNotFoundError
from toolkit.local.functions.function import Function

_URI = re.compile(
    r"arn:aws[\w-]*:apigateway:[\w-]+:lambda:path/"
    r"(?:2015-03-31/functions/(?P<whole>[^/]+)/invocations"
    r"|2021-11-15/functions/(?P<streamed>[^/]+)/response-streaming-invocations)"
)


def function_of(uri: str, *, streamed: bool = False) -> Function:
    """Find the function.

    Args:
        streamed: whether its answer is to be streamed, for which the URI is another.

    Raises:
        GatewayError: the URI is not of this kind, or the function does not exist.
    """
    match = _URI.fullmatch(uri)
    arn = match["streamed" if streamed else "whole"] if match else None
    if arn is None:
        raise misconfigured(
            f"{uri} is no URI for {'streamed' if streamed else 'whole'} answers of a function"
        )
    try:
        return function.find_arn(arn)
    except FunctionNotFoundError as error:
        raise misconfigured(str(error)) from error
