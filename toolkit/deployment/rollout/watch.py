"""Show the progress of endpoints while Terraform waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws import endpoints
from toolkit.aws.access import AwsAccess
from toolkit.deployment.rollout import status, waiters
from toolkit.deployment.rollout.waiters import Pace

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description
    from toolkit.deployment.rollout.timeline import Recorder

    Observer = Callable[[Description], str]

# An apply does not wait longer than this for the last request.
JOIN_SECONDS = 2.0


class Watch:
    """The phases of some endpoints, polled by a thread.

    Args:
        access: the account.
        names: endpoint names by label.
        pace: how often to poll.
        observers: called with the description of an endpoint at each poll, by label; return a part of its
            phase.
        recorder: gets all descriptions.
    """

    def __init__(
        self,
        access: AwsAccess,
        names: Mapping[str, str],
        pace: Pace,
        observers: Mapping[str, Observer] = MappingProxyType({}),
        recorder: Recorder | None = None,
    ) -> None:
        self._access, self._names, self._pace, self._observers = access, dict(names), pace, observers
        self._recorder = recorder
        self._states: dict[str, str] = {}
        self._end = threading.Event()

    def states(self) -> Mapping[str, str]:
        """The last known phase of each endpoint, by label."""
        return dict(self._states)

    def run(self) -> None:
        """Poll until `stop`."""
        while not self._end.is_set():
            before = self.states()
            for label, name in self._names.items():
                self._poll(label, name)
            self._end.wait(self._pace.next(changed=self.states() != before))

    def _poll(self, label: str, name: str) -> None:
        try:
            endpoint = endpoints.describe(self._access, name)
        except (ClientError, BotoCoreError) as error:
            # Only shown: after the apply, the verification does not tolerate errors.
            self._states[label] = f"cannot reach SageMaker ({type(error).__name__})"
            return
        # Before its creation and after its deletion, Terraform's lines show the progress.
        if endpoint is not None and not self._end.is_set():
            observer = self._observers.get(label)
            parts = [status.phase(endpoint), *([observer(endpoint)] if observer is not None else [])]
            self._states[label] = ", ".join(filter(None, parts))
            if self._recorder is not None:
                self._recorder.observe(label, endpoint)
        else:
            self._states.pop(label, None)

    def stop(self) -> None:
        """Stop polling."""
        self._end.set()


@contextmanager
def watching(
    access: AwsAccess,
    names: Mapping[str, str],
    observers: Mapping[str, Observer] = MappingProxyType({}),
    recorder: Recorder | None = None,
) -> Iterator[Callable[[], Mapping[str, str]]]:
    """Poll endpoints until the block ends; yields a function that returns their last known phases."""
    watch = Watch(access, names, waiters.pace(access), observers, recorder)
    if not names:
        yield watch.states
        return
    if recorder is not None:
        recorder.start(access, names)
    thread = threading.Thread(target=watch.run, name="rollout watch", daemon=True)
    thread.start()
    try:
        yield watch.states
    finally:
        watch.stop()
        thread.join(JOIN_SECONDS)
