"""An endpoint whose update and rollback both failed."""

from __future__ import annotations

import uuid
from typing import Any

from tests.support.cloud import Engine, Hosting

BUCKET = "weights-that-go"
# One instance after the other, without waiting.
ROLLING = {
    "RollingUpdatePolicy": {
        "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": 0,
    }
}


class Stuck:
    """An endpoint of two instances, one of each configuration.

    The weights of both releases disappeared halfway through an update, so that no further instance can start.

    Args:
        hosting: creates the endpoint.
        engines: serve the old and the new configuration.
        name: of an existing or new endpoint.

    Attributes:
        endpoint: its name.
        old: the previous configuration.
        new: the configuration of the update.
    """

    def __init__(self, hosting: Hosting, engines: tuple[Engine, Engine], name: str | None = None) -> None:
        self._hosting, self._s3 = hosting, hosting.aws("s3")
        self._s3.create_bucket(Bucket=BUCKET)
        self._deployment: dict[str, Any] = dict(ROLLING)
        self._keys = [f"{uuid.uuid4()}/weights" for _ in engines]
        self.restore()
        self.old, self.new = map(self._configuration, self._keys, engines)
        if name is not None and hosting.exists(name):
            self.endpoint = name
            # Terraform would replace an endpoint whose last update had no alarms.
            last = hosting.sagemaker.describe_endpoint(EndpointName=name)["LastDeploymentConfig"]
            self._deployment["AutoRollbackConfiguration"] = last["AutoRollbackConfiguration"]
            self.update(self.old)
        else:
            self.endpoint = hosting.endpoint(self.old, name)
        assert hosting.settled(self.endpoint)["EndpointStatus"] == "InService"
        self._s3.delete_object(Bucket=BUCKET, Key=self._keys[0])
        # By then the first new instance has loaded them.
        engines[1].before_health_check = lambda: self._s3.delete_object(Bucket=BUCKET, Key=self._keys[1])
        self.update(self.new)
        assert hosting.settled(self.endpoint)["EndpointStatus"] == "UpdateRollbackFailed"
        engines[1].before_health_check = lambda: None

    def update(self, configuration: str) -> None:
        """Update the endpoint, instance by instance."""
        self._hosting.sagemaker.update_endpoint(
            EndpointName=self.endpoint,
            EndpointConfigName=configuration,
            DeploymentConfig=self._deployment,
        )

    def restore(self) -> None:
        """Restore the weights."""
        for key in self._keys:
            self._s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())

    def _configuration(self, key: str, engine: Engine) -> str:
        uri = f"s3://{BUCKET}/{key.removesuffix('weights')}"
        source = {"S3Uri": uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
        container = {**engine.container, "ModelDataSource": {"S3DataSource": source}}
        return self._hosting.configuration(container=container, InitialInstanceCount=2)
