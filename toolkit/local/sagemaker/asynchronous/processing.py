"""One request on one instance: fetched from S3, answered, put into S3, announced."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from toolkit.local import logs
from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker.asynchronous.notification import Notification
from toolkit.local.sagemaker.asynchronous.request import AsyncRequest
from toolkit.local.sagemaker.asynchronous.settings import AsyncSettings
from toolkit.local.sagemaker.asynchronous.storage import RoleAccess, StorageError
from toolkit.local.sagemaker.instance import Instance
from toolkit.local.sagemaker.invocation import Call, Whole
from toolkit.local.sagemaker.variant import Variant
from toolkit.local.service import ACCOUNT_ID

_log = logging.getLogger(__name__)

_FAILURE = "application/json"
# Of what CloudWatch is told; the others are in microseconds.
IN_MILLISECONDS = ("TimeInBacklog", "TotalProcessingTime")


class InstanceLostError(Exception):
    """The instance went away while it worked; another one is to try."""


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
