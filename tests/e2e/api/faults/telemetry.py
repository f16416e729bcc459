"""Faults of the log and the metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from tests.e2e.api.faults.deployment import Deployment, Planted, fault, variables
from toolkit.smoke import Layer, Options

_HASTY = Options(models=["echo"], only=[Layer.LOGS], timeout_seconds=2)
TELEMETRY: dict[str, Planted] = {}


@fault(TELEMETRY, "logs", "log", "denies every request")
def log_of_a_refused_request(deployment: Deployment) -> Iterator[None]:
    deployment.options = Options(models=["echo"], only=[Layer.LOGS])
    with variables("authorizer", KEY_HEADERS="x-other")(deployment):
        yield


@fault(TELEMETRY, "logs", "log", "deleted outside of the toolkit")
def log_group_missing(deployment: Deployment) -> Iterator[None]:
    groups = {**deployment.outputs.log_groups, "gateway": "/aws/lambda/deleted"}
    deployment.outputs = dataclasses.replace(deployment.outputs, log_groups=groups)
    yield


@fault(TELEMETRY, "logs", "log", "may not write its log")
def log_does_not_arrive(deployment: Deployment) -> Iterator[None]:
    groups = {"gateway": deployment.outputs.log_groups["authorizer"]}
    deployment.outputs = dataclasses.replace(deployment.outputs, log_groups=groups)
    deployment.options = _HASTY
    yield


@fault(TELEMETRY, "logs", "metrics", "does not extract")
def metrics_do_not_arrive(deployment: Deployment) -> Iterator[None]:
    functions = {**deployment.outputs.functions, "gateway": "llm-clients-deleted"}
    deployment.outputs = dataclasses.replace(deployment.outputs, functions=functions)
    deployment.options = _HASTY
    yield
