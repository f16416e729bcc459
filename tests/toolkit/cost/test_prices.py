"""Prices come from the environment file, the Price List or the dated table, and are never guessed."""

from __future__ import annotations

import json
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from toolkit.cost import price_list, update_prices
from toolkit.cost.prices import Price, Prices
from toolkit.serving import catalogue
from toolkit.serving.update_catalogue import dump

G6 = "ml.g6.2xlarge"


def product(attributes: dict[str, str], *tiers: tuple[str, str], unit: str = "Hrs") -> Any:
    """A product as `GetProducts` returns it: `beginRange` and price of each tier."""
    dimensions = {
        str(number): {"unit": unit, "beginRange": begin, "pricePerUnit": {"USD": dollars}}
        for number, (begin, dollars) in enumerate(tiers)
    }
    return {
        "product": {"attributes": attributes},
        "terms": {"OnDemand": {"T": {"priceDimensions": dimensions}}},
    }


def test_a_price_names_its_source_and_date() -> None:
    price = Prices("us-east-1").instance_hour(G6)
    assert price is not None
    assert price.dollars == 1.222
    assert "FMBench" in price.source
    assert date.fromisoformat(price.date) == date(2025, 2, 3)


@pytest.mark.parametrize(("region", "instance_type"), [("eu-west-1", G6), ("us-east-1", "ml.trn2.48xlarge")])
def test_a_price_that_is_not_in_the_table_is_unknown(region: str, instance_type: str) -> None:
    assert Prices(region).instance_hour(instance_type) is None


def test_the_environment_file_precedes_the_table() -> None:
    assert Prices("us-east-1", {G6: 0.9}).instance_hour(G6) == Price(0.9, "cost.instance_prices", "")


def test_the_table_prices_instance_types_of_the_catalogue() -> None:
    types = {name for prices in table()["regions"].values() for name in prices if name.startswith("ml.")}
    assert len(types) > 25
    assert types - {*catalogue.instances()} == set()


def table() -> Any:
    return json.loads(update_prices.FILE.read_text(encoding="utf-8"))


def test_the_table_is_what_the_script_generates(tmp_path: Path) -> None:
    wheel = tmp_path / "fmbench-2.1.1-py3-none-any.whl"
    rows = {
        name: dollars
        for name, (dollars, source) in table()["regions"]["us-east-1"].items()
        if source == "fmbench"
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        content = "pricing:\n  instance_based:\n    p5e.48xlarge: 110.92\n"
        content += "".join(f"    {name}: {dollars}\n" for name, dollars in rows.items())
        archive.writestr(zipfile.ZipInfo(update_prices.FMBENCH, (2025, 2, 3, 0, 0, 0)), content)
    assert dump(update_prices.table([wheel])) == update_prices.FILE.read_text(encoding="utf-8")


def test_an_offer_file_of_aws_precedes_other_sources(tmp_path: Path) -> None:
    hosting = {"servicecode": "AmazonSageMaker", "regionCode": "eu-central-1", "component": "Hosting"}
    item = product({**hosting, "instanceName": G6}, ("0", "1.5276"))
    offers = {
        "publicationDate": "2026-11-24T12:00:00Z",
        "products": {"SKU": item["product"]},
        "terms": {"OnDemand": {"SKU": item["terms"]["OnDemand"]}},
    }
    file = tmp_path / "index.json"
    file.write_text(json.dumps(offers))
    generated = update_prices.table([file])
    dollars, source = generated["regions"]["eu-central-1"][G6]
    assert dollars == 1.5276
    assert generated["sources"][source] == {"name": "AWS Price List", "date": "2026-11-24"}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"component": "Hosting", "instanceName": G6}, {G6: 2.0}),
        ({"component": "Training", "instanceName": G6}, {}),
        ({"usagetype": "USE1-ServerlessInf:Mem-4GB"}, {"serverless_second_4": 2.0}),
        ({"usagetype": "ServerlessInf:Mem-2GB"}, {"serverless_second_2": 2.0}),
        ({"usagetype": "EUC1-ServerlessInf:ProvisionedConcurrency:Usage-6GB"}, {"provisioned_second_6": 2.0}),
        ({"servicecode": "AmazonApiGateway", "usagetype": "USE1-ApiGatewayRequest"}, {"api_request": 2.0}),
        ({"servicecode": "AmazonApiGateway", "usagetype": "USE1-ApiGatewayHttpRequest"}, {}),
        ({"servicecode": "AWSLambda", "group": "AWS-Lambda-Duration-ARM"}, {"lambda_gb_second_arm64": 2.0}),
        ({"group": "DDB-WriteUnits", "operation": "CommittedThroughput"}, {}),
        ({"group": "DDB-WriteUnits", "operation": "PayPerRequestThroughput"}, {"dynamodb_write": 2.0}),
    ],
)
def test_products_of_the_price_list_are_told_apart(
    attributes: dict[str, str], expected: dict[str, float]
) -> None:
    assert price_list.prices([product(attributes, ("0", "2.0"))]) == expected


def test_the_price_is_that_of_the_first_tier_that_is_not_free() -> None:
    tiers = [("400000", "0.0000133334"), ("0", "0"), ("7500000000", "0.00001")]
    item = product({"group": "AWS-Lambda-Duration-ARM"}, *tiers, unit="Lambda-GB-Second")
    assert price_list.prices([item]) == {"lambda_gb_second_arm64": 0.0000133334}
