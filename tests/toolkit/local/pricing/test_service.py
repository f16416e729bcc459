"""The Price List API through boto3, and as the toolkit reads it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.access import enforce_iam
from tests.support.cloud import Aws, aws_clients
from tests.support.iam import ACCOUNT, allow, document
from tests.toolkit.aws.test_errors import respond_once
from toolkit.aws.access import AwsAccess
from toolkit.cost.estimate import estimate
from toolkit.cost.price_list import Product
from toolkit.cost.price_list_api import PriceList, of_environment
from toolkit.cost.prices import Price, Prices
from toolkit.documents import parse
from toolkit.environment import load
from toolkit.local.client import RunningCloud
from toolkit.project import Project

pytestmark = pytest.mark.slow

G6, REGION = "ml.g6.2xlarge", "us-east-1"
HOSTING = {"regionCode": REGION, "component": "Hosting"}
FILE = """\
target: aws
name: llm
region: us-east-1
account_id: "123456789012"
models:
  chat:
    serving: {engine: vllm}
    source: {hub: Qwen/Qwen3-8B, allow_unpinned: true}
    instance_type: ml.g6.2xlarge
"""


def filters(**attributes: str) -> list[dict[str, str]]:
    return [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in attributes.items()]


def access(cloud: RunningCloud, key: tuple[str, str] | None = None) -> AwsAccess:
    return AwsAccess(REGION, ACCOUNT, cloud.endpoint_url, key or cloud.root_key)


@pytest.fixture
def enforced(cloud: RunningCloud) -> Iterator[None]:
    enforce_iam(cloud, True)
    yield
    enforce_iam(cloud, False)


def user(cloud: RunningCloud, name: str, *statements: dict[str, Any]) -> tuple[str, str]:
    """The access key of a new user."""
    iam = aws_clients(cloud)("iam")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=document(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def test_products_are_json_in_strings(aws: Aws) -> None:
    response = aws("pricing").get_products(
        ServiceCode="AmazonSageMaker", Filters=filters(**HOSTING, instanceName=G6)
    )
    assert response["FormatVersion"] == "aws_v1"
    (text,) = response["PriceList"]
    item = json.loads(text)
    assert parse(json.dumps(item["product"]), Product)["attributes"]["instanceName"] == G6
    (offer,) = item["terms"]["OnDemand"].values()
    (dimension,) = offer["priceDimensions"].values()
    assert float(dimension["pricePerUnit"]["USD"]) == 1.222
    assert item["publicationDate"].startswith("2025-02-03")


def test_pages_contain_every_product_once(aws: Aws) -> None:
    pages = aws("pricing").get_paginator("get_products")
    settings = {"ServiceCode": "AmazonSageMaker", "Filters": filters(**HOSTING)}
    whole = [text for page in pages.paginate(**settings) for text in page["PriceList"]]
    parts = list(pages.paginate(**settings, PaginationConfig={"PageSize": 10}))
    assert [len(page["PriceList"]) for page in parts[:2]] == [10, 10]
    assert [text for page in parts for text in page["PriceList"]] == whole
    assert len(set(whole)) == len(whole) > 25


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"ServiceCode": "AmazonSageMaker", "NextToken": "elsewhere"}, "InvalidNextTokenException"),
        (
            {
                "ServiceCode": "AmazonSageMaker",
                "Filters": [{"Type": "CONTAINS", "Field": "usagetype", "Value": "Host"}],
            },
            "InvalidParameterException",
        ),
        ({"ServiceCode": "AmazonSageMaker", "MaxResults": 101}, "InvalidParameterException"),
    ],
)
def test_invalid_requests_are_refused(aws: Aws, members: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as error:
        aws("pricing").get_products(**members)
    assert error.value.response["Error"]["Code"] == code


@pytest.mark.usefixtures("enforced")
def test_prices_are_read_if_the_policy_allows_it(cloud: RunningCloud) -> None:
    key = user(cloud, "buyer", allow("pricing:GetProducts", "*"))
    prices = PriceList(access(cloud, key))
    expected = Price(1.222, "the embedded cloud's Price List", "2025-02-03")
    assert (prices.price(G6), prices.problem) == (expected, "")


@pytest.mark.usefixtures("enforced")
def test_without_permission_the_table_has_the_prices(cloud: RunningCloud, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    project.environment_file("priced").write_text(FILE)
    environment = load(project, "priced")
    key = user(cloud, "visitor")
    result = estimate(environment, of_environment(environment, access(cloud, key), estimate))
    assert result.items[0].source == "FMBench 2.1.1, pricing.yml, 2025-02-03"
    assert "user/visitor is not allowed to call pricing:GetProducts" in result.price_problem


@pytest.mark.parametrize(
    "name",
    [
        "lambda_request",
        "lambda_gb_second_arm64",
        "api_request",
        "log_gb",
        "alarm_month",
        "dynamodb_write",
        "dynamodb_read",
        "volume_gb_month",
    ],
)
def test_every_kind_of_price_has_a_query_that_finds_it(cloud: RunningCloud, name: str) -> None:
    price, expected = PriceList(access(cloud)).price(name), Prices(REGION).unit(name)
    assert price is not None
    assert expected is not None
    assert (price.dollars, price.date) == (pytest.approx(expected.dollars), expected.date)


@pytest.fixture
def as_aws(cloud: RunningCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AwsAccess:
    """Access to AWS, whose requests the environment leads to the embedded cloud."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", cloud.root_key[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", cloud.root_key[1])
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path / "cache"))
    return AwsAccess(REGION, ACCOUNT)


def unreachable(monkeypatch: pytest.MonkeyPatch) -> AwsAccess:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    return AwsAccess(REGION, ACCOUNT)


def test_prices_of_aws_are_kept_for_the_day(as_aws: AwsAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    first = PriceList(as_aws).price(G6)
    assert first is not None
    assert first.source == "AWS Price List API"
    # A type that AWS does not have is not asked for again, either.
    assert PriceList(as_aws).price("ml.none.large") is None
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-key")
    again = PriceList(AwsAccess(REGION, ACCOUNT))
    assert (again.price(G6), again.price("ml.none.large"), again.problem) == (first, None, "")


def test_kept_prices_are_of_one_endpoint(as_aws: AwsAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PriceList(as_aws).price(G6) is not None
    assert PriceList(unreachable(monkeypatch)).price(G6) is None


@pytest.mark.parametrize("content", ["{", '{"day": "2026-01-01", "prices": {}}'])
def test_a_damaged_or_old_cache_is_read_anew(as_aws: AwsAccess, tmp_path: Path, content: str) -> None:
    file = tmp_path / "cache" / "prices" / f"{REGION}.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert PriceList(as_aws).price(G6) is not None


@pytest.mark.usefixtures("as_aws")
def test_an_unreachable_api_is_asked_once_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = PriceList(unreachable(monkeypatch))
    prices.prefetch([G6, "api_request"])
    assert prices.price(G6) is None
    assert "127.0.0.1" in prices.problem


@pytest.mark.usefixtures("as_aws")
@pytest.mark.parametrize("body", [b"<html>Log in<p>", b'{"PriceList": ["{}"]}'])
def test_a_response_of_a_proxy_is_no_price(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    response = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        threading.Thread(target=respond_once, args=[server, response], daemon=True).start()
        prices = PriceList(AwsAccess(REGION, ACCOUNT))
        assert prices.price(G6) is None
    assert prices.problem


@pytest.mark.usefixtures("as_aws")
def test_other_partitions_have_no_prices_in_dollars() -> None:
    prices = PriceList(AwsAccess("us-gov-west-1", ACCOUNT))
    assert prices.price(G6) is None
    assert "aws-us-gov" in prices.problem
