"""Requests that only read are repeated when the connection breaks, wherever it breaks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import HTTPClientError

from tests.support import faults
from tests.support.faults import AwsRequest, Fault, Proxy
from toolkit.aws import state_bucket
from toolkit.aws.access import MAX_ATTEMPTS, AwsAccess
from toolkit.aws.errors import explain
from toolkit.deployment.releases import Releases
from toolkit.errors import PreflightError
from toolkit.keys import Keys

pytestmark = pytest.mark.slow
CONTENT = b"a state" * 1000


@pytest.fixture
def proxy(account: AwsAccess) -> Iterator[Proxy]:
    """A proxy in front of the account."""
    with faults.running() as proxy:
        proxy.upstream = int(str(account.endpoint_url).rpartition(":")[2])
        yield proxy


@pytest.fixture
def distant(account: AwsAccess, proxy: Proxy) -> AwsAccess:
    """Access to the account through the proxy."""
    account.s3.create_bucket(Bucket="distant")
    account.s3.put_object(Bucket="distant", Key="state", Body=CONTENT)
    return replace(account, endpoint_url=f"http://127.0.0.1:{proxy.port}")


def first(number: int, fault: Fault) -> Callable[[AwsRequest], Fault | None]:
    return lambda request: fault if request.number <= number else None


@pytest.mark.parametrize("fault", [*faults.RESETS, Fault.THROTTLE, Fault.SERVER_ERROR])
def test_an_object_is_read_in_spite_of_faults(proxy: Proxy, distant: AwsAccess, fault: Fault) -> None:
    proxy.begin(first(2, fault))
    assert state_bucket.read(distant, "distant", "state") == CONTENT
    assert [entry.fault for entry in proxy.journal] == [fault, fault, None]


@pytest.mark.parametrize("fault", [Fault.RESET_INSIDE, Fault.LOST_RESPONSE, Fault.THROTTLE])
def test_releases_and_keys_are_read_in_spite_of_faults(
    account: AwsAccess, proxy: Proxy, distant: AwsAccess, fault: Fault
) -> None:
    account.apigateway.create_api_key(name=f"llm-{fault}/default", enabled=True)
    releases = Releases(distant, "distant", "env")
    keys = Keys(distant, f"llm-{fault}", {}, {}, {})
    proxy.begin(lambda request: fault if request.occurrence == 1 else None)
    assert releases.list() == []
    assert [key.name for key in keys.list()] == ["default"]
    assert [entry.fault for entry in proxy.journal].count(fault) > 1


@pytest.mark.parametrize("fault", [*faults.RESETS, Fault.THROTTLE, Fault.SERVER_ERROR])
def test_a_missing_object_is_missing_in_spite_of_faults(
    proxy: Proxy, distant: AwsAccess, fault: Fault
) -> None:
    proxy.begin(first(2, fault))
    assert state_bucket.read(distant, "distant", "missing") is None
    # botocore does not retry an error response whose body is incomplete.
    proxy.begin(first(100, fault))
    with pytest.raises(Exception) as raised:
        state_bucket.read(distant, "distant", "missing")
    assert isinstance(explain(raised.value), PreflightError)


@pytest.mark.parametrize("fault", faults.RESETS)
def test_retries_end(proxy: Proxy, distant: AwsAccess, fault: Fault) -> None:
    proxy.begin(first(100, fault))
    with pytest.raises(HTTPClientError):
        state_bucket.read(distant, "distant", "state")
    assert len(proxy.journal) == MAX_ATTEMPTS


@pytest.mark.parametrize("service", ["sts", "sagemaker", "s3"])
def test_a_response_that_ends_early_is_not_parsed(account: AwsAccess, service: str) -> None:
    """An orderly end, which botocore takes for the end of the response: of XML, of JSON, of an object."""
    bodies = {
        "sts": b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>"
        b"</GetCallerIdentityResult></GetCallerIdentityResponse>",
        "sagemaker": b'{"Models": [{"ModelName": "m"}]}',
        "s3": CONTENT,
    }
    requests = {
        "sts": lambda access: access.sts.get_caller_identity()["Account"],
        "sagemaker": lambda access: access.sagemaker.list_models()["Models"],
        "s3": lambda access: state_bucket.read(access, "b", "k"),
    }
    body = bodies[service]
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def respond() -> None:
            for length in (20, len(body) // 2, len(body)):
                client, _ = server.accept()
                with client:
                    client.recv(65536)
                    client.sendall(head + body[:length])

        threading.Thread(target=respond, daemon=True).start()
        access = replace(account, endpoint_url=f"http://127.0.0.1:{server.getsockname()[1]}")
        assert requests[service](access) in ("123456789012", [{"ModelName": "m"}], CONTENT)
