"""DynamoDB's updates: atomic with their condition, and exact."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.responses import DynamoHandler

from toolkit.local.controlplane import dynamodb


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of moto as the cloud extends it, and a table `t`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    # Undone after the test.
    monkeypatch.setattr(DynamoHandler, "update_item", DynamoHandler.update_item)
    monkeypatch.setattr(DynamoType, "__add__", DynamoType.__add__)
    dynamodb.extend()
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName="t",
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


def add(client: Any, number: str, limit: int = 1000) -> str:
    response = client.update_item(
        TableName="t",
        Key={"k": {"S": "a"}},
        UpdateExpression="ADD n :number",
        ConditionExpression="attribute_not_exists(n) OR n < :limit",
        ExpressionAttributeValues={":number": {"N": number}, ":limit": {"N": str(limit)}},
        ReturnValues="ALL_NEW",
    )
    return str(response["Attributes"]["n"]["N"])


def test_condition_and_change_are_one_step(table: Any) -> None:
    added = []

    def add_ones() -> None:
        for _ in range(40):
            try:
                added.append(add(table, "1", limit=200))
            except table.exceptions.ConditionalCheckFailedException:
                return

    threads = [threading.Thread(target=add_ones) for _ in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert sorted(map(int, added)) == list(range(1, 201))


def test_small_numbers_are_added_exactly(table: Any) -> None:
    assert [add(table, number) for number in ("0.0000001", "0.0000001", "-0.0000002", "7")] == [
        "0.0000001",
        "0.0000002",
        "0.0000000",
        "7.0000000",
    ]
