"""Prices in the AWS Price List: which product has which price.

The attributes and families of the products are those by which Infracost and LLMeter find them
(infracost/infracost: internal/resources/aws; infracost/infracost#3567: SageMaker; awslabs/llmeter:
callbacks/cost/providers/sagemaker.py). Names of prices:

- `ml.g6.2xlarge`: an instance of an endpoint, per hour
- `serverless_second_4`, `provisioned_second_4`, `provisioned_run_second_4`: a serverless endpoint with 4 GB:
  a second of a request, a second of an instance that is kept warm, and of a request that it serves
- `lambda_request`, `lambda_gb_second_arm64`, `lambda_gb_second_x86_64`
- `api_request`: a request to a REST API
- `log_gb`: ingestion of a gigabyte of logs
- `alarm_month`: a metric of an alarm, per month
- `dynamodb_write`, `dynamodb_read`: a request unit, on demand
- `volume_gb_month`: storage of an instance of an endpoint
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NotRequired

from toolkit.documents import OpenDict

# ruff: noqa: N815 - members of the Price List have the names that AWS gives them


class Dimension(OpenDict):
    """A price of a product, for a range of usage."""

    beginRange: NotRequired[str]
    pricePerUnit: dict[str, str]


class Term(OpenDict):
    """An offer."""

    priceDimensions: dict[str, Dimension]


class Terms(OpenDict, total=False):
    """The offers of a product by kind."""

    OnDemand: dict[str, Term]


class Product(OpenDict):
    """A product with its attributes."""

    attributes: dict[str, str]


class Item(OpenDict):
    """A member of the response to `GetProducts`."""

    product: Product
    publicationDate: NotRequired[str]
    terms: Terms


@dataclass(frozen=True)
class _Kind:
    """Products with one name, by patterns of their attributes; groups of `usagetype` become a suffix.

    Attributes:
        family: the product family, for which one page of the API is enough; needed for patterns that no
            filter can express.
    """

    name: str
    service: str
    attributes: Mapping[str, str]
    family: str = ""


_REGION = r"([A-Z0-9]+-)?"
_KINDS = (
    _Kind("instance", "AmazonSageMaker", {"component": "Hosting", "instanceName": r"ml\..+"}),
    _Kind(
        "serverless_second_",
        "AmazonSageMaker",
        {"usagetype": _REGION + r"ServerlessInf:Mem-(?P<gb>\d)GB"},
        "ML Serverless",
    ),
    _Kind(
        "provisioned_second_",
        "AmazonSageMaker",
        {"usagetype": _REGION + r".*ProvisionedConcurrency:Usage-(?P<gb>\d)GB"},
        "ML Serverless",
    ),
    _Kind(
        "provisioned_run_second_",
        "AmazonSageMaker",
        {"usagetype": _REGION + r".*ProvisionedConcurrency:Mem-(?P<gb>\d)GB"},
        "ML Serverless",
    ),
    _Kind("volume_gb_month", "AmazonSageMaker", {"volumeType": "General Purpose-Hosting"}),
    _Kind("lambda_request", "AWSLambda", {"group": "AWS-Lambda-Requests"}),
    _Kind("lambda_gb_second_arm64", "AWSLambda", {"group": "AWS-Lambda-Duration-ARM"}),
    _Kind("lambda_gb_second_x86_64", "AWSLambda", {"group": "AWS-Lambda-Duration"}),
    _Kind("api_request", "AmazonApiGateway", {"usagetype": _REGION + "ApiGatewayRequest"}, "API Calls"),
    _Kind("log_gb", "AmazonCloudWatch", {"usagetype": _REGION + "DataProcessing-Bytes"}, "Data Payload"),
    _Kind("alarm_month", "AmazonCloudWatch", {"usagetype": _REGION + "CW:AlarmMonitorUsage"}, "Alarm"),
    _Kind(
        "dynamodb_write",
        "AmazonDynamoDB",
        {"group": "DDB-WriteUnits", "operation": "PayPerRequestThroughput"},
    ),
    _Kind(
        "dynamodb_read",
        "AmazonDynamoDB",
        {"group": "DDB-ReadUnits", "operation": "PayPerRequestThroughput"},
    ),
)


def query(region: str, name: str) -> dict[str, Any] | None:
    """The members of a `GetProducts` that finds a price by its name; None for an unknown name."""
    for kind in _KINDS:
        attributes = {"regionCode": region, **kind.attributes}
        if kind.name == "instance" and name.startswith("ml."):
            attributes["instanceName"] = name
        elif not re.fullmatch(re.escape(kind.name) + (r"\d" if kind.name.endswith("_") else ""), name):
            continue
        if kind.family:
            attributes["productFamily"] = kind.family
            del attributes["usagetype"]
        filters = [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in attributes.items()]
        return {"ServiceCode": kind.service, "Filters": filters}
    return None


def prices(items: Iterable[Item]) -> dict[str, float]:
    """The prices of products by name; a product that this module does not know is left out.

    Of a price with tiers it is the first that is not free: the estimate ignores the free tier and the
    discounts of large volumes.
    """
    return dict(pair for item in items for pair in _named(item))


def _named(item: Item) -> Iterator[tuple[str, float]]:
    attributes = item["product"]["attributes"]
    for kind in _KINDS:
        if attributes.get("servicecode", kind.service) != kind.service:
            continue
        matches = {
            name: re.fullmatch(pattern, attributes.get(name, "")) for name, pattern in kind.attributes.items()
        }
        dollars = _dollars(item)
        if all(matches.values()) and dollars is not None:
            usage = matches.get("usagetype")
            suffix = usage.groupdict().get("gb", "") if usage is not None else ""
            yield attributes["instanceName"] if kind.name == "instance" else f"{kind.name}{suffix}", dollars


def _dollars(item: Item) -> float | None:
    """The first price of a product that is not free; 0 if all are; None without a price in dollars."""
    dimensions = [
        dimension
        for term in item["terms"].get("OnDemand", {}).values()
        for dimension in term["priceDimensions"].values()
        if "USD" in dimension["pricePerUnit"]
    ]
    tiers = sorted(
        (float(item.get("beginRange", 0)), float(item["pricePerUnit"]["USD"])) for item in dimensions
    )
    return next((dollars for _, dollars in tiers if dollars > 0), 0.0 if tiers else None)
