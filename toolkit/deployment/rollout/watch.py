"""Watching SageMaker while Terraform waits: beside the apply, never in its way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws import endpoints
from toolkit.aws.access import AwsAccess
from toolkit.deployment.rollout import phases

# A request may take as long to end after the apply has; whoever applies does not wait for it.
JOIN_SECONDS = 2.0


class Pace:
    """How long to wait before asking again: longer while nothing happens, short again after a change."""

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest, self._longest = shortest, longest
        self.seconds = shortest

    def next(self, *, changed: bool) -> float:
        """The next pause in seconds."""
        self.seconds = self._shortest if changed else min(self.seconds * 1.5, self._longest)
        return self.seconds


def pace(access: AwsAccess) -> Pace:
    """SageMaker counts calls, the embedded cloud on this machine does not."""
    return Pace(0.2, 0.5) if access.endpoint_url else Pace(5, 30)


class Watch:
    """What SageMaker says of some endpoints, kept up to date by a thread of its own.

    Args:
        access: the account.
        names: endpoint names by what they are shown as.
        rhythm: how often to ask.
    """

    def __init__(self, access: AwsAccess, names: Mapping[str, str], rhythm: Pace) -> None:
        self._access, self._names, self._pace = access, dict(names), rhythm
        self._states: dict[str, str] = {}
        self._end = threading.Event()

    def states(self) -> Mapping[str, str]:
        """The present state of each endpoint that SageMaker has told about."""
        return dict(self._states)

    def run(self) -> None:
        """Ask until the end."""
        while not self._end.is_set():
            before = self.states()
            for shown, name in self._names.items():
                self._ask(shown, name)
            self._end.wait(self._pace.next(changed=self.states() != before))

    def _ask(self, shown: str, name: str) -> None:
        try:
            found = endpoints.describe(self._access, name)
        except (ClientError, BotoCoreError) as error:
            # Only shown: whether the rollout is well is asked again when Terraform is done, and not forgiven.
            self._states[shown] = f"SageMaker can't be asked ({type(error).__name__})"
            return
        # Before it is made and after it is gone, Terraform's own lines say what happens.
        if found is not None and not self._end.is_set():
            self._states[shown] = phases.describe(found)
        else:
            self._states.pop(shown, None)

    def stop(self) -> None:
        """End the asking."""
        self._end.set()


@contextmanager
def watching(access: AwsAccess, names: Mapping[str, str]) -> Iterator[Callable[[], Mapping[str, str]]]:
    """Watch endpoints until the block ends; gives the states that were seen last."""
    watch = Watch(access, names, pace(access))
    if not names:
        yield watch.states
        return
    access.sagemaker  # noqa: B018 - clients are made in one thread, and used in any
    thread = threading.Thread(target=watch.run, name="rollout watch", daemon=True)
    thread.start()
    try:
        yield watch.states
    finally:
        watch.stop()
        thread.join(JOIN_SECONDS)
