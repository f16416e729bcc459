"""The recorded requests of `cases.jsonl`, by their name there; each module is about one service."""

from __future__ import annotations

from tests.toolkit.local.recorded.replays import (
    apigateway,
    deployed_apis,
    functions,
    iam,
    monitoring,
    s3,
    sagemaker,
)
from tests.toolkit.local.recorded.replays.base import REPLAYS

__all__ = ["REPLAYS", "apigateway", "deployed_apis", "functions", "iam", "monitoring", "s3", "sagemaker"]
