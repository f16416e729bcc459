"""A cheap deployment: its model is a server in the test process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.checkout import copy_checkout
from tests.support.cloud import Engine
from tests.support.toolkit import Toolkit

ENVIRONMENT = """\
target: local
name: llm
region: us-east-1
account:
  lifecycle_rules: false
models:
  echo:
    serving: {{engine: llama_cpp}}
    source: {{server: "{url}"}}
    instance_type: ml.c7i.xlarge
"""
STATE_KEY = "local/inference.tfstate"


@dataclass
class Lab:
    """The environment `local` in its own checkout."""

    toolkit: Toolkit
    engine: Engine

    @property
    def build(self) -> Path:
        """The folder with its generated files."""
        return self.toolkit.project / "build" / "local"

    def declare(self, further: str = "", env: str = "local", **replaced: str) -> None:
        """Write the usual environment file with replaced texts and additional lines."""
        text = ENVIRONMENT.format(url=self.engine.url)
        for old, new in replaced.items():
            text = text.replace(old, new)
        file = self.toolkit.project / "terraform" / "environments" / f"{env}.yaml"
        file.write_text(text + further)

    def aws(self, service: str) -> Any:
        """Return a boto3 client of the lab's cloud."""
        return self.toolkit.client(service)

    @property
    def bucket(self) -> str:
        """The location of the state."""
        return "llm-state-123456789012-us-east-1"

    def state(self) -> dict[str, Any]:
        """Terraform's stored state."""
        stored = self.aws("s3").get_object(Bucket=self.bucket, Key=STATE_KEY)
        return dict(json.loads(stored["Body"].read()))


@contextmanager
def opened(directory: Path) -> Iterator[Lab]:
    """Yield a lab without a deployment, and stop its cloud at the end."""
    lab = Lab(Toolkit(copy_checkout(directory / "project")), Engine())
    lab.declare()
    try:
        yield lab
    finally:
        lab.toolkit.stop_cloud()
        lab.engine.stop()
