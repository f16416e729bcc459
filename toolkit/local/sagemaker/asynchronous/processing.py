"""One request on one instance: download from S3, invoke, upload to S3, notify SNS."""

from __future__ import annotations

import base64
import json
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from toolkit.local import logs
from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker.asynchronous.access import RoleAccess
from toolkit.local.sagemaker.asynchronous.metrics import Report
from toolkit.local.sagemaker.asynchronous.models import AsyncRequest, AsyncSettings
from toolkit.local.sagemaker.exceptions import InstanceLostError, StorageError
from toolkit.local.sagemaker.fleet import Variant
from toolkit.local.sagemaker.instance import Instance
from toolkit.local.sagemaker.invocation import Invocation, InvocationResponse
from toolkit.local.service import ACCOUNT_ID

_log = logging.getLogger(__name__)

# A notification omits a larger response.
MAX_RESPONSE_BYTES = 128 * 1024


@dataclass(frozen=True)
class Notification:
    """The SNS messages about a request.

    Attributes:
        endpoint: the endpoint's name.
        region: the endpoint's region.
        with_response: whether to include the container's response.
    """

    request: AsyncRequest
    endpoint: str
    region: str
    with_response: bool

    def success(self, response: InvocationResponse) -> str:
        """The message about a success."""
        content_type = response.headers["content-type"]
        parameters = {"contentType": content_type, "outputLocation": self.request.output_uri}
        return self._message("Completed", response.body, responseParameters=parameters)

    def failure(self, reason: str, response: bytes) -> str:
        """The message about a failure, for SageMaker's reason and the container's response."""
        location = self.request.failure_uri
        parameters = {"responseParameters": {"outputLocation": location}} if location else {}
        return self._message("Failed", response, failureReason=reason, **parameters)

    def _message(self, status: str, response: bytes, **outcome: object) -> str:
        request = self.request
        parameters = {
            "endpointName": self.endpoint,
            "inputLocation": request.input_uri,
            "contentType": request.content_type,
        }
        message = {
            "awsRegion": self.region,
            "eventTime": _timestamp(time.time()),
            "receivedTime": _timestamp(request.received),
            "invocationStatus": status,
            "requestParameters": {name: value for name, value in parameters.items() if value},
            **outcome,
            "inferenceId": request.inference_id,
            "eventVersion": "1.0",
            "eventSource": "aws:sagemaker",
            "eventName": "InferenceResult",
        }
        return json.dumps(message | (_body(response) if self.with_response else {}))


def _body(content: bytes) -> dict[str, object]:
    if len(content) > MAX_RESPONSE_BYTES:
        return {}
    return {"responseBody": {"content": base64.b64encode(content).decode(), "encoding": "BASE64"}}


def _timestamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_FAILURE = "application/json"


@dataclass(frozen=True)
class Processing:
    """Processes an endpoint's requests.

    Attributes:
        endpoint: the endpoint's name.
        region: the endpoint's region.
        settings: the endpoint's settings.
        access: access to S3 and SNS.
    """

    endpoint: str
    region: str
    settings: AsyncSettings
    access: RoleAccess

    async def process(self, request: AsyncRequest, variant: Variant, instance: Instance) -> Report:
        """Process a request on an instance, whether it succeeds or fails.

        Raises:
            InstanceLostError: the instance stopped; retry on another one.
        """
        report = Report({"TimeInBacklog": request.age})
        try:
            with report.timed("RequestDownloadLatency"):
                body = await self.access.read(request.input_uri) if request.input_uri else request.body
        except StorageError as error:
            report.fail("RequestDownloadFailures", str(error))
        else:
            group = f"arn:aws:logs:{self.region}:{ACCOUNT_ID}:log-group:{self.log_group}"
            invocation = Invocation(variant, request.headers, body, group, seconds=request.invocation_seconds)
            await self._invoke(invocation, instance, report)
        await self._put(request, report)
        await self._notify(request, report)
        report.seconds["TotalProcessingTime"] = request.age
        line = f"[{request.inference_id}] Inference request {report.summary}"
        logs.put(self.log_group, f"{instance.log_stream}/data-log", [line], region=self.region)
        return report

    async def give_up(self, request: AsyncRequest, metric: str, reason: str) -> Report:
        """Fail a request that no instance processed."""
        report = Report({"TimeInBacklog": request.age})
        report.fail(metric, reason)
        await self._put(request, report)
        await self._notify(request, report)
        _log.info("%s: request %s: %s", self.endpoint, request.inference_id, reason)
        return report

    @staticmethod
    async def _invoke(invocation: Invocation, instance: Instance, report: Report) -> None:
        try:
            with report.timed("ModelLatency"):
                report.response = await invocation.read(instance)
        except ApiError as error:
            # TimeoutError is an OSError, too, but the instance still runs.
            cause = error.__cause__
            connection_lost = isinstance(cause, OSError) and not isinstance(cause, TimeoutError)
            if connection_lost or error.code == "ServiceUnavailable":
                raise InstanceLostError(error.message) from error
            report.fail("InvocationFailures", error.message)
            report.status = error.members["OriginalStatusCode"] or None
            report.body = str(error.members["OriginalMessage"]).encode()
        else:
            report.status, report.body = 200, report.response.body

    async def _put(self, request: AsyncRequest, report: Report) -> None:
        """Upload the response or the failure to S3."""
        try:
            if report.response is not None:
                content_type = report.response.headers["content-type"]
                with report.timed("ResponseUploadLatency"):
                    await self._write(request.output_uri, report.body, content_type)
        except StorageError as error:
            report.fail("ResponseUploadFailures", str(error))
        try:
            if report.reason is not None and request.failure_uri is not None:
                await self._write(request.failure_uri, report.body or report.reason.encode(), _FAILURE)
        except StorageError as error:
            report.fail("ResponseUploadFailures", str(error))

    async def _write(self, uri: str, body: bytes, content_type: str) -> None:
        await self.access.write(uri, body, content_type, self.settings.kms_key)

    async def _notify(self, request: AsyncRequest, report: Report) -> None:
        settings = self.settings
        succeeded = report.reason is None
        topic = settings.success_topic if succeeded else settings.error_topic
        if topic is None:
            return
        kind = "SUCCESS_NOTIFICATION_TOPIC" if succeeded else "ERROR_NOTIFICATION_TOPIC"
        notification = Notification(request, self.endpoint, self.region, kind in settings.response_in)
        if report.reason is None and report.response is not None:
            message = notification.success(report.response)
        else:
            message = notification.failure(str(report.reason), report.body)
        try:
            await self.access.publish(topic, message)
        except StorageError as error:
            # The request succeeded all the same: its response is in S3.
            report.failures.append("NotificationFailures")
            _log.warning("%s: request %s: %s", self.endpoint, request.inference_id, error)

    @property
    def log_group(self) -> str:
        """The endpoint's log group."""
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"
