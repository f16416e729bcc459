"""SageMaker and CloudWatch as far as waiting and verifying ask them, with answers that a test chooses."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from toolkit.console import Console


def missing(name: str) -> ClientError:
    message = f'Could not find endpoint "arn:aws:sagemaker:us-east-1:123456789012:endpoint/{name}".'
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "DescribeEndpoint")


@dataclass
class SageMaker:
    """Answers DescribeEndpoint with what was put there, the last answer again and again."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    notify: Callable[[], None] = lambda: None

    def describe_endpoint(self, *, EndpointName: str) -> Any:  # noqa: N803
        self.asked.append(EndpointName)
        self.notify()
        answers = self.answers.get(EndpointName) or [missing(EndpointName)]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class CloudWatch:
    """Alarms with their states and histories."""

    alarms: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)

    def describe_alarms(self, *, AlarmNames: list[str]) -> Any:  # noqa: N803
        return {"MetricAlarms": [alarm for alarm in self.alarms if alarm["AlarmName"] in AlarmNames]}

    def describe_alarm_history(self, **request: Any) -> Any:
        found = [item for item in self.history if item["Timestamp"] >= request["StartDate"]]
        return {"AlarmHistoryItems": found}


@dataclass
class Logs:
    """Log streams with the moments of their creation."""

    streams: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(ResourceNotFoundException=KeyError))

    def describe_log_streams(self, **_: Any) -> Any:
        rows = [{"logStreamName": name, "creationTime": made} for name, (made, _) in self.streams.items()]
        return {"logStreams": rows}

    def get_log_events(self, *, logStreamName: str, **_: Any) -> Any:  # noqa: N803
        made, lines = self.streams[logStreamName]
        return {"events": [{"timestamp": made, "message": line} for line in lines]}


@dataclass
class World:
    """An environment's context, for as much as is asked of it."""

    sagemaker: SageMaker = field(default_factory=SageMaker)
    cloudwatch: CloudWatch = field(default_factory=CloudWatch)
    logs: Logs = field(default_factory=Logs)
    said: io.StringIO = field(default_factory=io.StringIO)

    @property
    def context(self) -> Any:
        access = SimpleNamespace(
            sagemaker=self.sagemaker,
            cloudwatch=self.cloudwatch,
            logs=self.logs,
            endpoint_url="http://127.0.0.1:1",  # as of the embedded cloud: asked often
        )
        environment = SimpleNamespace(prefix="llm-x", models={"m": None}, file="environments/x.yaml")
        console = Console(err=self.said, interactive=False)
        return SimpleNamespace(access=access, environment=environment, console=console)


def statuses(*names: str, configuration: str = "new") -> Iterator[dict[str, Any]]:
    """Descriptions of an endpoint in these statuses."""
    for name in names:
        yield {
            "EndpointStatus": name,
            "EndpointConfigName": configuration,
            "ProductionVariants": [{"VariantName": "v"}],
        }
