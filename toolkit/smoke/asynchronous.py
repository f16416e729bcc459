"""A round trip of an asynchronous endpoint: a request in the call, the response in S3."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

from toolkit.aws import bodies, endpoints
from toolkit.aws.errors import DENIED
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel
from toolkit.smoke import replies, runtime
from toolkit.smoke.causes import Commands
from toolkit.smoke.function import ServedModel
from toolkit.smoke.results import FailedError, NotRunError

# Below the endpoint's own prefix, so that a policy can permit to read these responses and no others.
FOLDER: Final = "smoke-test"
_INTERVAL_SECONDS: Final = 2.0
_LOCAL_INTERVAL_SECONDS: Final = 0.2


@dataclass(frozen=True)
class RoundTrip:
    """An asynchronous request to a model.

    Attributes:
        context: the environment.
        name: the model.
        model: the deployed model.
        seconds: how long to wait for the response.
        wake: whether to start an instance if none runs.
    """

    context: Context
    name: str
    model: DeployedModel
    seconds: float
    wake: bool

    def run(self, served: ServedModel) -> str:
        """Send a request, and read its response.

        Raises:
            FailedError: no response, or not one of a model.
            NotRunError: no instance runs, or the response is encrypted.
        """
        access = self.context.access
        if not self.wake and self._instances() == 0:
            raise NotRunError("no instance runs; --wake starts one")
        # `Body` instead of an object in S3: botocore's model of InvokeEndpointAsync.
        accepted = access.sagemaker_runtime.invoke_endpoint_async(
            EndpointName=self.model.endpoint_name,
            ContentType="application/json",
            Body=json.dumps(runtime.request(served)),
            S3OutputPathExtension=FOLDER,
            Filename=f"{uuid.uuid4().hex[:24]}.out",
        )
        uri = accepted["OutputLocation"]
        body = self._wait(uri)
        if body is None:
            raise FailedError(
                f"no response at {uri} after {self.seconds:.0f} s",
                "the container fails or is slow, or the execution role may not write there",
                Commands(self.context.environment)(f"logs {self.name}"),
            )
        return replies.READERS[served.task](body).text

    def _instances(self) -> int:
        endpoint = endpoints.describe(self.context.access, self.model.endpoint_name)
        variants = endpoint.get("ProductionVariants", []) if endpoint else []
        return sum(variant.get("CurrentInstanceCount", 0) for variant in variants)

    def _wait(self, uri: str) -> bytes | None:
        body = self._read(uri)
        if body is not None:
            return body
        deadline = time.monotonic() + self.seconds
        interval = _LOCAL_INTERVAL_SECONDS if self.context.access.endpoint_url else _INTERVAL_SECONDS
        with self.context.console.progress(f"waiting for the response of {self.model.endpoint_name}"):
            while body is None and time.monotonic() < deadline:
                time.sleep(interval)
                body = self._read(uri)
        return body

    def _read(self, uri: str) -> bytes | None:
        """The response; None before it is there."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        get_object = self.context.access.s3.get_object
        try:
            return bodies.read(lambda: get_object(Bucket=bucket, Key=key))
        except ClientError as error:
            code, message = error.response["Error"]["Code"], str(error)
            if code == "NoSuchKey" or (code in DENIED and "s3:ListBucket" in message):
                # Without permission to list the bucket, S3 does not say that an object is missing.
                return None
            if code in DENIED and "kms:Decrypt" in message:
                reason = "the response has arrived, and these credentials may not decrypt it"
                raise NotRunError(reason) from error
            raise
