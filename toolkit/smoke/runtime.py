"""Requests to an endpoint through the SageMaker runtime, without the API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from toolkit.aws.access import AwsAccess
from toolkit.deployment.outputs import DeployedModel
from toolkit.smoke import replies
from toolkit.smoke.function import ServedModel

if TYPE_CHECKING:
    from types_boto3_sagemaker_runtime.type_defs import ResponseStreamTypeDef


def invoke(access: AwsAccess, model: DeployedModel, served: ServedModel) -> str:
    """Invoke the endpoint for a whole response.

    Raises:
        FailedError: the response is not one of a model.
    """
    response = access.sagemaker_runtime.invoke_endpoint(
        EndpointName=model.endpoint_name, ContentType="application/json", Body=json.dumps(request(served))
    )
    return replies.READERS[served.task](response["Body"].read()).text


def stream(access: AwsAccess, model: DeployedModel) -> str:
    """Invoke the endpoint for a streamed response.

    Raises:
        FailedError: the stream is buffered, truncated or not one of a model.
    """
    streamed = replies.Stream()
    response = access.sagemaker_runtime.invoke_endpoint_with_response_stream(
        EndpointName=model.endpoint_name,
        ContentType="application/json",
        Body=json.dumps({**replies.PROMPT, "stream": True}),
    )
    streamed.read(_payloads(response["Body"]))
    if not streamed.done and not streamed.finished:
        raise replies.truncated(streamed, "its end")
    return streamed.describe()


def _payloads(events: Any) -> Iterator[bytes]:
    event: ResponseStreamTypeDef
    for event in events:
        if "PayloadPart" in event:
            yield event["PayloadPart"]["Bytes"]


def request(served: ServedModel) -> Mapping[str, object]:
    """The shortest request that suits the engine and the task."""
    body = replies.REQUESTS[served.task]
    match served.dialect, served.task:
        case "tei" | "lmi", "embedding":
            return {"inputs": [replies.TEXT]}
        case "tei", "ranking":
            return {"query": body["query"], "texts": body["documents"]}
    return body
