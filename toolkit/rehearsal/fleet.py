"""The instances and rollouts of an account, sampled while an apply runs."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws.access import AwsAccess
from toolkit.rehearsal.results import Instances

_POLL_SECONDS: Final = 0.2
_STEADY: Final = frozenset({"InService", "Failed", "OutOfService", "UpdateRollbackFailed"})


class Sampler:
    """Counts the instances of all endpoints, in a thread.

    Args:
        access: of the account's root.
    """

    def __init__(self, access: AwsAccess) -> None:
        self._access = access
        self._types: dict[tuple[str, str], str] = {}
        self._before = self._count()[0]
        self._peak, self._after = self._before, self._before
        self._rollouts: list[tuple[float, float]] = []
        self._began: float | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="instances", daemon=True)

    def start(self) -> None:
        """Sample until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Take the last sample."""
        self._end.set()
        self._thread.join()
        self._sample()
        if self._began is not None:
            self._rollouts.append((self._began, time.monotonic()))

    def instances(self) -> tuple[Instances, ...]:
        """The instances by type."""
        return tuple(
            Instances(kind, self._before[kind], self._peak[kind], self._after[kind])
            for kind in sorted({*self._before, *self._peak, *self._after})
        )

    def rollouts(self, zero: float) -> tuple[tuple[float, float], ...]:
        """The intervals during which an endpoint changed, counted from a time of `time.monotonic`."""
        return tuple((start - zero, end - zero) for start, end in self._rollouts)

    def _run(self) -> None:
        while not self._end.wait(_POLL_SECONDS):
            self._sample()

    def _sample(self) -> None:
        try:
            counts, changing = self._count()
        except (ClientError, BotoCoreError):
            return  # an endpoint was deleted between two requests; the next sample is complete
        self._after = counts
        self._peak = self._peak | counts
        now = time.monotonic()
        if changing and self._began is None:
            self._began = now
        elif not changing and self._began is not None:
            self._rollouts.append((self._began, now))
            self._began = None

    def _count(self) -> tuple[Counter[str], bool]:
        counts: Counter[str] = Counter()
        changing = False
        sagemaker = self._access.sagemaker
        for page in sagemaker.get_paginator("list_endpoints").paginate():
            for item in page["Endpoints"]:
                endpoint: Any = sagemaker.describe_endpoint(EndpointName=item["EndpointName"])
                changing = changing or endpoint["EndpointStatus"] not in _STEADY
                for fleet in (endpoint, endpoint.get("PendingDeploymentSummary") or {}):
                    configuration = fleet.get("EndpointConfigName", "")
                    for variant in fleet.get("ProductionVariants") or ():
                        kind = self._type(configuration, variant)
                        # Those that start count as well: a quota and an invoice contain them.
                        current, desired = (
                            variant.get(f"{word}InstanceCount") or 0 for word in ("Current", "Desired")
                        )
                        counts[kind] += max(current, desired)
        return +counts, changing

    def _type(self, configuration: str, variant: Mapping[str, Any]) -> str:
        key = (configuration, variant["VariantName"])
        if key not in self._types:
            configured: Any = self._access.sagemaker.describe_endpoint_config(
                EndpointConfigName=configuration
            )
            for item in configured["ProductionVariants"]:
                self._types[configuration, item["VariantName"]] = item.get("InstanceType") or "serverless"
        return self._types.get(key, "unknown")
