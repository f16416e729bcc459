"""The products of the toolkit's price table, arranged as in the AWS Price List.

A member is documented in the user guide "Reading the service price list files", and recorded in the AWS CLI's
example of `pricing get-products`. SKUs are invented.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

# By the beginning of a name in the table: service, family, attributes. Infracost and LLMeter find products
# by them (see toolkit.cost.price_list, which reads what this module writes and shares no code with it).
_PRODUCTS: dict[str, tuple[str, str, dict[str, str]]] = {
    "ml.": ("AmazonSageMaker", "ML Instance", {"component": "Hosting"}),
    "serverless_second_": ("AmazonSageMaker", "ML Serverless", {}),
    "volume_gb_month": ("AmazonSageMaker", "ML Instance", {"volumeType": "General Purpose-Hosting"}),
    "lambda_request": ("AWSLambda", "Serverless", {"group": "AWS-Lambda-Requests"}),
    "lambda_gb_second_arm64": ("AWSLambda", "Serverless", {"group": "AWS-Lambda-Duration-ARM"}),
    "lambda_gb_second_x86_64": ("AWSLambda", "Serverless", {"group": "AWS-Lambda-Duration"}),
    "api_request": ("AmazonApiGateway", "API Calls", {"usagetype": "USE1-ApiGatewayRequest"}),
    "log_gb": ("AmazonCloudWatch", "Data Payload", {"usagetype": "USE1-DataProcessing-Bytes"}),
    "alarm_month": ("AmazonCloudWatch", "Alarm", {"usagetype": "CW:AlarmMonitorUsage"}),
    "dynamodb_write": (
        "AmazonDynamoDB",
        "Amazon DynamoDB PayPerRequest Throughput",
        {"group": "DDB-WriteUnits", "operation": "PayPerRequestThroughput"},
    ),
    "dynamodb_read": (
        "AmazonDynamoDB",
        "Amazon DynamoDB PayPerRequest Throughput",
        {"group": "DDB-ReadUnits", "operation": "PayPerRequestThroughput"},
    ),
}


@cache
def products() -> tuple[dict[str, Any], ...]:
    """All products."""
    return tuple(_products())


def _products() -> Iterator[dict[str, Any]]:
    table = json.loads((importlib.resources.files("toolkit.cost") / "prices.json").read_text("utf-8"))
    for region, prices in table["regions"].items():
        for name, (dollars, source) in prices.items():
            for prefix, (service, family, own) in _PRODUCTS.items():
                if name.startswith(prefix):
                    attributes = {"servicecode": service, "regionCode": region, **own}
                    if prefix == "ml.":
                        attributes |= {"instanceName": name, "usagetype": f"Host:{name}"}
                    if prefix == "serverless_second_":
                        attributes["usagetype"] = f"ServerlessInf:Mem-{name.removeprefix(prefix)}GB"
                    date = table["sources"][source]["date"]
                    yield _product(service, family, attributes, dollars, date)


def _product(
    service: str, family: str, attributes: dict[str, str], dollars: float, date: str
) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps(attributes).encode()).hexdigest()
    sku, term, rate = digest[:16].upper(), "JRTCKXETXF", "6YS6EN2CT7"
    dimension = {
        "unit": "Quantity",
        "beginRange": "0",
        "endRange": "Inf",
        "description": f"${dollars} on demand",
        "appliesTo": [],
        "rateCode": f"{sku}.{term}.{rate}",
        "pricePerUnit": {"USD": f"{dollars:.10f}"},
    }
    offer = {
        "sku": sku,
        "offerTermCode": term,
        "effectiveDate": f"{date}T00:00:00Z",
        "termAttributes": {},
        "priceDimensions": {dimension["rateCode"]: dimension},
    }
    return {
        "product": {"productFamily": family, "attributes": attributes, "sku": sku},
        "serviceCode": service,
        "terms": {"OnDemand": {f"{sku}.{term}": offer}},
        "version": f"{date.replace('-', '')}000000",
        "publicationDate": f"{date}T00:00:00Z",
    }
