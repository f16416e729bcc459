"""Generates `prices.json` in this folder from published prices.

    pip download --no-deps fmbench==2.1.1
    python -m toolkit.cost.update_prices fmbench-2.1.1-*.whl [OFFER.json…]

FMBench, a tool of AWS, publishes prices of endpoints in us-east-1. The figures of `PUBLISHED` are from other
places, each named. Offer files are those of the AWS Price List, per service and region, such as
offers/v1.0/aws/AmazonSageMaker/current/us-east-1/index.json on the site of the API; they take precedence.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from toolkit.cost import price_list
from toolkit.serving import catalogue
from toolkit.serving.update_catalogue import dump

FILE = Path(__file__).parent / "prices.json"
FMBENCH = "fmbench/configs/pricing.yml"
SOURCES = {
    # Its results come from the Price List API.
    "infracost": {"name": "Infracost at 95ba4f49, results of its tests", "date": "2026-08-21"},
    # Compared with the Price List API in its integration tests.
    "llmeter": {"name": "LLMeter at 0.2.0, its integration tests", "date": "2026-06-24"},
    # Its bill in December 2023.
    "ssh-helper": {"name": "aws-samples/sagemaker-ssh-helper, Sample_Costs.md", "date": "2023-12-31"},
}
# AWS lowered their prices after that release: public tables of 2026 have about 60 % of its figures.
OUTDATED = ("ml.p4d.24xlarge", "ml.p5.48xlarge")
# Infracost: internal/providers/terraform/aws/testdata/*/*.golden (REST API, Lambda, log group, alarm, table).
PUBLISHED: dict[str, dict[str, tuple[float, str]]] = {
    "us-east-1": {
        "api_request": (3.50e-6, "infracost"),
        "lambda_request": (0.20e-6, "infracost"),
        "lambda_gb_second_arm64": (0.0000133334, "infracost"),
        "lambda_gb_second_x86_64": (0.0000166667, "infracost"),
        "log_gb": (0.50, "infracost"),
        "alarm_month": (0.10, "infracost"),
        "dynamodb_write": (0.625e-6, "infracost"),
        "dynamodb_read": (0.125e-6, "infracost"),
        "volume_gb_month": (0.14, "llmeter"),
    },
    "eu-west-1": {"volume_gb_month": (0.154, "ssh-helper")},
    "ap-southeast-3": {"ml.g5.8xlarge": (4.2828, "llmeter"), "volume_gb_month": (0.168, "llmeter")},
}


def table(files: list[Path]) -> dict[str, Any]:
    """Content of prices.json."""
    sources: dict[str, dict[str, str]] = {}
    regions: dict[str, dict[str, tuple[float, str]]] = {}
    for file in sorted(files, key=lambda file: file.suffix == ".json"):
        read = _offers if file.suffix == ".json" else _fmbench
        for region, name, dollars, source, details in read(file):
            sources[source] = details
            regions.setdefault(region, {})[name] = (dollars, source)
    for region, published in PUBLISHED.items():
        regions[region] = {**published, **regions.get(region, {})}
    used = {source for prices in regions.values() for _, source in prices.values()}
    return {
        "sources": {
            name: details for name, details in sorted({**SOURCES, **sources}.items()) if name in used
        },
        "regions": {
            region: {name: list(price) for name, price in sorted(prices.items())}
            for region, prices in sorted(regions.items())
        },
    }


_Row = tuple[str, str, float, str, dict[str, str]]


def _fmbench(wheel: Path) -> Iterator[_Row]:
    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read(FMBENCH).decode().splitlines()
        year, month, day = archive.getinfo(FMBENCH).date_time[:3]
    details = {
        "name": f"FMBench {wheel.name.split('-')[1]}, pricing.yml",
        "date": f"{year}-{month:02}-{day:02}",
    }
    for line in lines:
        row = re.fullmatch(r"    (ml\.\S+): ([\d.]+)", line)
        if row and row[1] in catalogue.instances() and row[1] not in OUTDATED:
            yield "us-east-1", row[1], float(row[2]), "fmbench", details


def _offers(file: Path) -> Iterator[_Row]:
    """The prices in an offer file of one region; its items are arranged as those of the API."""
    offers = json.loads(file.read_text(encoding="utf-8"))
    details = {"name": "AWS Price List", "date": offers["publicationDate"][:10]}
    terms = offers["terms"].get("OnDemand", {})
    for sku, product in offers["products"].items():
        item = cast(price_list.Item, {"product": product, "terms": {"OnDemand": terms.get(sku, {})}})
        region = product["attributes"].get("regionCode", "")
        for name, dollars in price_list.prices([item]).items():
            yield region, name, dollars, f"price-list-{details['date']}", details


if __name__ == "__main__":
    if len(sys.argv) < 2 or "--help" in sys.argv:
        raise SystemExit(__doc__)
    FILE.write_text(dump(table([Path(name) for name in sys.argv[1:]])), encoding="utf-8")
