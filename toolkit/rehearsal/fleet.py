"""The instances and rollouts of an account while an apply runs: a meter's, and sampled statuses."""

from __future__ import annotations

import threading
import time
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws.access import AwsAccess
from toolkit.local import client
from toolkit.project import Project
from toolkit.rehearsal.results import Instances

_POLL_SECONDS: Final = 0.2
_STEADY: Final = frozenset({"InService", "Failed", "OutOfService", "UpdateRollbackFailed"})


class Sampler:
    """Watches all endpoints, in a thread.

    Args:
        project: the checkout of the embedded cloud.
        access: of the account's root.
    """

    def __init__(self, project: Project, access: AwsAccess) -> None:
        self._project = project
        self._access = access
        self._metered = client.metered(project)
        self._since = self._metered.now
        self._rollouts: list[tuple[float, float]] = []
        self._began: float | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollouts", daemon=True)

    def start(self) -> None:
        """Sample until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Take the last sample."""
        self._end.set()
        self._thread.join()
        self._sample()
        self._metered = client.metered(self._project)
        if self._began is not None:
            self._rollouts.append((self._began, time.monotonic()))

    def instances(self) -> tuple[Instances, ...]:
        """The instances by type, with those that start: a quota contains them."""
        meter = self._metered
        counts = (
            Instances(
                kind,
                meter.count(kind, self._since),
                meter.peak(kind, self._since),
                meter.count(kind, meter.now),
            )
            for kind in sorted({item.instance_type for item in meter.instances})
        )
        return tuple(item for item in counts if item.peak)

    def rollouts(self, zero: float) -> tuple[tuple[float, float], ...]:
        """The intervals during which an endpoint changed, counted from a time of `time.monotonic`."""
        return tuple((start - zero, end - zero) for start, end in self._rollouts)

    def _run(self) -> None:
        while not self._end.wait(_POLL_SECONDS):
            self._sample()

    def _sample(self) -> None:
        try:
            pages = self._access.sagemaker.get_paginator("list_endpoints").paginate()
            statuses = {item["EndpointStatus"] for page in pages for item in page["Endpoints"]}
        except (ClientError, BotoCoreError):
            return  # the next sample is complete
        now = time.monotonic()
        changing = not statuses <= _STEADY
        if changing and self._began is None:
            self._began = now
        elif not changing and self._began is not None:
            self._rollouts.append((self._began, now))
            self._began = None
