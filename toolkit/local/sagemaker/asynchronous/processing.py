"""What SNS topics are told of asynchronous inference."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from toolkit.local import logs
from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker.asynchronous.access import RoleAccess
from toolkit.local.sagemaker.asynchronous.models import AsyncRequest, AsyncSettings
from toolkit.local.sagemaker.exceptions import InstanceLostError, StorageError
from toolkit.local.sagemaker.fleet import Variant
from toolkit.local.sagemaker.instance import Instance
from toolkit.local.sagemaker.invocation import Call, Whole
from toolkit.local.service import ACCOUNT_ID

# A larger answer is left out.
MAX_RESPONSE_BYTES = 128 * 1024


@dataclass(frozen=True)
class Notification:
    """A message about a request.

    Attributes:
        request: what it is about.
        endpoint: the endpoint's name.
        region: the endpoint's.
        with_response: whether the topic wants what the container said.
    """

    request: AsyncRequest
    endpoint: str
    region: str
    with_response: bool

    def success(self, answer: Whole) -> str:
        """The message about an answer."""
        response = {"contentType": answer.headers["content-type"], "outputLocation": self.request.output_uri}
        return self._message("Completed", answer.body, responseParameters=response)

    def failure(self, reason: str, response: bytes) -> str:
        """The message about a failure.

        Args:
            reason: in SageMaker's words.
            response: what the container said.
        """
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


_log = logging.getLogger(__name__)

_FAILURE = "application/json"
# Of what CloudWatch is told; the others are in microseconds.
IN_MILLISECONDS = ("TimeInBacklog", "TotalProcessingTime")


@dataclass
class Report:
    """How a request went.

    Attributes:
        seconds: how long what took, by CloudWatch's name for it.
        failures: CloudWatch's names for what went wrong.
        reason: why it failed; None if it was answered.
        status: HTTP status of the container's answer; None if it was not asked or did not answer.
        answer: the container's, if it is one.
        said: the body of whatever the container said.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    reason: str | None = None
    status: int | None = None
    answer: Whole | None = None
    said: bytes = b""

    @property
    def summary(self) -> str:
        """In the words of SageMaker's own log."""
        outcome = "succeeded." if self.reason is None else f"failed. {self.reason}"
        took = [f"{name}: {self._in_units(name)}" for name in self.seconds]
        return f"{outcome} {', '.join(took)}"

    def _in_units(self, name: str) -> str:
        seconds = self.seconds[name]
        return f"{seconds * 1e3:.0f} ms" if name in IN_MILLISECONDS else f"{seconds * 1e6:.0f} us"

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note how long the block takes."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - start

    def fail(self, metric: str, reason: str) -> None:
        """Note what went wrong; the first reason is the one that is told."""
        self.failures.append(metric)
        self.reason = self.reason or reason


@dataclass(frozen=True)
class Processing:
    """How an endpoint's requests are worked on.

    Attributes:
        endpoint: the endpoint's name.
        region: the endpoint's.
        settings: the endpoint's.
        access: to S3 and SNS.
    """

    endpoint: str
    region: str
    settings: AsyncSettings
    access: RoleAccess

    async def answer(self, request: AsyncRequest, variant: Variant, instance: Instance) -> Report:
        """Have an instance work on a request, to whatever end.

        Raises:
            InstanceLostError: the instance went away.
        """
        report = Report({"TimeInBacklog": request.age})
        try:
            with report.timed("RequestDownloadLatency"):
                body = await self.access.read(request.input_uri) if request.input_uri else request.body
        except StorageError as error:
            report.fail("RequestDownloadFailures", str(error))
        else:
            group = f"arn:aws:logs:{self.region}:{ACCOUNT_ID}:log-group:{self.log_group}"
            call = Call(variant, request.headers, body, group, seconds=request.invocation_seconds)
            await self._invoke(call, instance, report)
        await self._put(request, report)
        await self._notify(request, report)
        report.seconds["TotalProcessingTime"] = request.age
        line = f"[{request.inference_id}] Inference request {report.summary}"
        logs.put(self.log_group, f"{instance.log_stream}/data-log", [line], region=self.region)
        return report

    async def give_up(self, request: AsyncRequest, metric: str, reason: str) -> Report:
        """End a request that no instance answered."""
        report = Report({"TimeInBacklog": request.age})
        report.fail(metric, reason)
        await self._put(request, report)
        await self._notify(request, report)
        _log.info("%s: request %s: %s", self.endpoint, request.inference_id, reason)
        return report

    @staticmethod
    async def _invoke(call: Call, instance: Instance, report: Report) -> None:
        try:
            with report.timed("ModelLatency"):
                report.answer = await call.read(instance)
        except ApiError as error:
            # A time-out is an OSError, too, and the instance is still there.
            lost = isinstance(error.__cause__, OSError) and not isinstance(error.__cause__, TimeoutError)
            if lost or error.code == "ServiceUnavailable":
                raise InstanceLostError(error.message) from error
            report.fail("InvocationFailures", error.message)
            report.status = error.members["OriginalStatusCode"] or None
            report.said = str(error.members["OriginalMessage"]).encode()
        else:
            report.status, report.said = 200, report.answer.body

    async def _put(self, request: AsyncRequest, report: Report) -> None:
        """Into S3: the answer, or what there is instead."""
        try:
            if report.answer is not None:
                content_type = report.answer.headers["content-type"]
                with report.timed("ResponseUploadLatency"):
                    await self._write(request.output_uri, report.said, content_type)
        except StorageError as error:
            report.fail("ResponseUploadFailures", str(error))
        try:
            if report.reason is not None and request.failure_uri is not None:
                await self._write(request.failure_uri, report.said or report.reason.encode(), _FAILURE)
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
        wanted = "SUCCESS_NOTIFICATION_TOPIC" if succeeded else "ERROR_NOTIFICATION_TOPIC"
        about = Notification(request, self.endpoint, self.region, wanted in settings.response_in)
        if report.reason is None and report.answer is not None:
            message = about.success(report.answer)
        else:
            message = about.failure(str(report.reason), report.said)
        try:
            await self.access.publish(topic, message)
        except StorageError as error:
            # The answer is there all the same.
            report.failures.append("NotificationFailures")
            _log.warning("%s: request %s: %s", self.endpoint, request.inference_id, error)

    @property
    def log_group(self) -> str:
        """Where SageMaker writes about the endpoint."""
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"
