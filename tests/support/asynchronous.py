"""Asynchronous endpoints that relay to a server of the test."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from tests.support.cloud import LLAMA_IMAGE, PATIENT, ROLE, Aws, Engine, Hosting, eventually

PROMPT = {"prompt": "Say it"}


@dataclass
class Asynchronous:
    """An asynchronous endpoint with its own bucket, and queues that receive its notifications."""

    aws: Aws
    hosting: Hosting
    engine: Engine
    bucket: str
    endpoint: str = ""

    def start(self, concurrency: int | None = None, **output: Any) -> None:
        name = f"async-{uuid.uuid4().hex[:8]}"
        self.hosting.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": LLAMA_IMAGE} | self.engine.container,
        )
        config: dict[str, Any] = {"OutputConfig": {"S3OutputPath": f"s3://{self.bucket}/answers/", **output}}
        if concurrency is not None:
            config["ClientConfig"] = {"MaxConcurrentInvocationsPerInstance": concurrency}
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": name,
            "InstanceType": "ml.c7i.xlarge",
            "InitialInstanceCount": 1,
            **PATIENT,
        }
        self.hosting.sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant], AsyncInferenceConfig=config
        )
        self.endpoint = self.hosting.endpoint(name)
        assert self.hosting.settled(self.endpoint)["AsyncInferenceConfig"] == config

    def put(self, body: Any = PROMPT) -> str:
        key = f"requests/{uuid.uuid4()}.json"
        self.aws("s3").put_object(Bucket=self.bucket, Key=key, Body=json.dumps(body))
        return f"s3://{self.bucket}/{key}"

    def invoke(self, **members: Any) -> dict[str, Any]:
        members = {"InputLocation": self.put()} | members
        runtime = self.aws("sagemaker-runtime")
        response: dict[str, Any] = runtime.invoke_endpoint_async(EndpointName=self.endpoint, **members)
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 202
        return response

    def read(self, uri: str) -> dict[str, Any]:
        """Wait for an object and return it."""
        s3, key = self.aws("s3"), uri.removeprefix(f"s3://{self.bucket}/")
        keys: list[str] = []

        def is_there() -> bool:
            objects = s3.list_objects_v2(Bucket=self.bucket, Prefix=key).get("Contents", [])
            keys[:] = [item["Key"] for item in objects]
            return key in keys

        eventually(is_there)
        response: dict[str, Any] = s3.get_object(Bucket=self.bucket, Key=key)
        return response

    def topic(self) -> tuple[str, str]:
        """Create a topic, and a queue that receives its messages."""
        sns, sqs, name = self.aws("sns"), self.aws("sqs"), f"t-{uuid.uuid4().hex[:8]}"
        topic = sns.create_topic(Name=name)["TopicArn"]
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return topic, queue

    def next_message(self, queue: str) -> dict[str, Any]:
        """Return the next message of a topic."""
        messages: list[Any] = []

        def is_there() -> bool:
            messages.extend(self.aws("sqs").receive_message(QueueUrl=queue).get("Messages", []))
            return bool(messages)

        eventually(is_there)
        message: dict[str, Any] = json.loads(json.loads(messages[0]["Body"])["Message"])
        return message
