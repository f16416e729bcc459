"""Watching SageMaker while Terraform runs."""

from __future__ import annotations

import json
import os
import threading

import pytest

from tests.support.cloud import PATIENT, Engine, Hosting, eventually
from tests.support.contexts import recorded_requests
from tests.support.patience import HANG_SECONDS
from toolkit.aws.access import AwsAccess
from toolkit.deployment.rollout.waiters import Pace
from toolkit.deployment.rollout.watch import watching


@pytest.fixture(scope="module")
def endpoint(hosting: Hosting, engine: Engine) -> str:
    """An endpoint in service."""
    name = hosting.endpoint(hosting.configuration(container=engine.container, **PATIENT))
    assert hosting.settled(name)["EndpointStatus"] == "InService"
    return name


def names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_states_follow_sagemaker_until_the_block_ends(
    account: AwsAccess, hosting: Hosting, other: Engine
) -> None:
    other.healthy = False
    endpoint = hosting.endpoint(hosting.configuration(container=other.container, **PATIENT))
    with watching(account, {"m": endpoint}) as states:
        eventually(lambda: states() == {"m": "Creating, starting instances, 0 instances"})
        other.healthy = True
        eventually(lambda: states() == {"m": "InService"})
        assert "rollout watch" in names()
    assert "rollout watch" not in names()


def test_denied_requests_are_shown_and_tolerated(
    hosting: Hosting, endpoint: str, unprivileged: AwsAccess
) -> None:
    with watching(unprivileged, {"m": endpoint}) as states:
        eventually(lambda: states() == {"m": "cannot reach SageMaker (ClientError)"})
        _allow(hosting, unprivileged)
        eventually(lambda: states() == {"m": "InService"})


def _allow(hosting: Hosting, user: AwsAccess) -> None:
    """Act as an administrator."""
    name = user.sts.get_caller_identity()["Arn"].rpartition("/")[2]
    statement = {"Effect": "Allow", "Action": "sagemaker:DescribeEndpoint", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    hosting.aws("iam").put_user_policy(UserName=name, PolicyName="describe", PolicyDocument=document)


def test_missing_credentials_are_tolerated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Like a rollout that lasts longer than a session."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with watching(AwsAccess("us-east-1", "123456789012"), {"m": "e"}) as states:
        eventually(lambda: states() == {"m": "cannot reach SageMaker (NoCredentialsError)"})


def test_a_missing_endpoint_has_no_state(account: AwsAccess) -> None:
    responses = threading.Semaphore(0)
    with recorded_requests(account) as requests:
        requests.on_response = lambda _: responses.release()
        with watching(account, {"m": "no-such-endpoint"}) as states:
            assert all(responses.acquire(timeout=HANG_SECONDS) for _ in range(2))
            assert states() == {}


def test_without_endpoints_nothing_is_polled(account: AwsAccess) -> None:
    with recorded_requests(account) as requests, watching(account, {}) as states:
        assert states() == {}
        assert "rollout watch" not in names()
    assert requests.names == []


def test_polling_intervals_grow_without_changes() -> None:
    pace = Pace(5, 30)
    pauses = [pace.next(changed=False) for _ in range(8)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30
    assert pace.next(changed=True) == 5
