"""CloudWatch as SDKs see it in a running cloud."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from tests.support.cloud import Aws, Engine, Hosting, eventually, respond

pytestmark = pytest.mark.slow

PROMPT = b'{"prompt": "p"}'


def dimensions(**pairs: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in pairs.items()]


def window() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(minutes=1)}


def put(cloudwatch: Any, name: str, *values: float) -> None:
    cloudwatch.put_metric_data(
        Namespace="Test", MetricData=[{"MetricName": name, "Value": v} for v in values]
    )


def alarm(cloudwatch: Any, name: str, **members: Any) -> None:
    rule = {
        "AlarmName": name,
        "Namespace": "Test",
        "MetricName": name,
        "Statistic": "Average",
        "Period": 10,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "notBreaching",
    }
    cloudwatch.put_metric_alarm(**(rule | members))


def state(cloudwatch: Any, name: str) -> Any:
    [description] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return description["StateValue"]


def test_statistics_cover_one_metric_with_percentiles(aws: Aws) -> None:
    cloudwatch = aws("cloudwatch")
    by_endpoint, by_variant = dimensions(E="llm"), dimensions(E="llm", V="primary")
    data = [{"MetricName": "latency", "Values": [10, 20], "Counts": [9, 1], "Dimensions": by_endpoint}]
    data += [{"MetricName": "latency", "Value": 1000, "Dimensions": by_variant, "Unit": "Microseconds"}]
    cloudwatch.put_metric_data(Namespace="Test/Statistics", MetricData=data)
    query = {"Namespace": "Test/Statistics", "MetricName": "latency"}
    points = cloudwatch.get_metric_statistics(
        **query,
        **window(),
        Dimensions=by_endpoint,
        Period=3600,
        Statistics=["Sum"],
        ExtendedStatistics=["p50"],
    )["Datapoints"]
    assert sum(point["Sum"] for point in points) == 110
    assert points[-1]["ExtendedStatistics"] == {"p50": 10}
    stat = {"Metric": query | {"Dimensions": by_variant[::-1]}, "Period": 3600, "Stat": "p90"}
    [result] = cloudwatch.get_metric_data(MetricDataQueries=[{"Id": "a", "MetricStat": stat}], **window())[
        "MetricDataResults"
    ]
    assert result["Values"] == [1000]
    metrics = cloudwatch.list_metrics(**query, Dimensions=[{"Name": "V"}])["Metrics"]
    assert [metric["Dimensions"] for metric in metrics] == [by_variant]


def test_an_alarm_fires_and_recovers_with_a_history(aws: Aws) -> None:
    cloudwatch, name = aws("cloudwatch"), "fires"
    # The alarm keeps its state without new data, so a slow test still sees it.
    alarm(cloudwatch, name, TreatMissingData="ignore")
    assert state(cloudwatch, name) == "INSUFFICIENT_DATA"
    put(cloudwatch, name, 1, 1)
    eventually(lambda: state(cloudwatch, name) == "ALARM")
    [description] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert "[1.0 (" in description["StateReason"]
    assert "was greater than or equal to the threshold (1.0)" in description["StateReason"]
    put(cloudwatch, name, 0)
    eventually(lambda: state(cloudwatch, name) == "OK")
    history = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="StateUpdate")
    items = history["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in items] == [
        "Alarm updated from ALARM to OK",
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
    ]
    assert json.loads(items[0]["HistoryData"])["oldState"]["stateValue"] == "ALARM"


def test_an_alarm_over_a_percentile(aws: Aws) -> None:
    cloudwatch, name = aws("cloudwatch"), "percentile"
    rule = {
        "Namespace": "Test",
        "MetricName": name,
        "ExtendedStatistic": "p90",
        "Period": 10,
        "Threshold": 90,
        "TreatMissingData": "ignore",
    }
    cloudwatch.put_metric_alarm(
        AlarmName=name, EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold", **rule
    )
    put(cloudwatch, name, *range(90, 100))
    eventually(lambda: state(cloudwatch, name) == "ALARM")


def test_an_updated_alarm_keeps_its_state(aws: Aws) -> None:
    cloudwatch, name = aws("cloudwatch"), "set"
    alarm(cloudwatch, name, TreatMissingData="ignore")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by hand")
    alarm(cloudwatch, name, TreatMissingData="ignore", Threshold=2)
    assert state(cloudwatch, name) == "ALARM"
    alarm(cloudwatch, name, TreatMissingData="notBreaching")
    eventually(lambda: state(cloudwatch, name) == "OK")


def test_actions_publish_to_topics_and_are_recorded(aws: Aws) -> None:
    cloudwatch, sqs, sns, name = aws("cloudwatch"), aws("sqs"), aws("sns"), "topic-actions"
    queue = sqs.create_queue(QueueName="alarms")["QueueUrl"]
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    missing = f"{topic}-missing"
    alarm(cloudwatch, name, AlarmActions=[topic, missing])
    put(cloudwatch, name, 5)
    received: list[Any] = []

    def arrived() -> bool:
        received.extend(sqs.receive_message(QueueUrl=queue).get("Messages", []))
        return bool(received)

    eventually(arrived)
    message = json.loads(received[0]["Body"])
    assert (message["AlarmName"], message["NewStateValue"]) == (name, "ALARM")
    assert "[5.0 (" in message["NewStateReason"]

    def summaries() -> set[str]:
        items = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="Action")
        return {item["HistorySummary"].partition(":")[0] for item in items["AlarmHistoryItems"]}

    eventually(lambda: len(summaries()) == 2)
    assert summaries() == {"Successfully executed action arn", "Failed to execute action arn"}


def test_invocations_publish_sagemakers_metrics(hosting: Hosting, engine: Engine) -> None:
    configuration = hosting.configuration(container=engine.container)
    endpoint = hosting.endpoint(configuration)
    hosting.settled(endpoint)
    runtime, cloudwatch = hosting.aws("sagemaker-runtime"), hosting.aws("cloudwatch")
    start = time.perf_counter()
    runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT)
    elapsed = time.perf_counter() - start
    for status in (400, 500):
        engine.behaviour = lambda handler, _, status=status: respond(handler, status, b"{}")  # type: ignore[misc]
        with pytest.raises(runtime.exceptions.ModelError):
            runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT)

    def statistic(name: str, stat: str, **more: str) -> float:
        pairs = dimensions(EndpointName=endpoint, VariantName="AllTraffic", **more)
        metric = {"Namespace": "AWS/SageMaker", "MetricName": name, "Dimensions": pairs}
        [result] = cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "a", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": stat}}],
            **window(),
        )["MetricDataResults"]
        return float(sum(result["Values"]))

    for dimensions_ in ({}, {"EndpointConfigName": configuration}):
        assert statistic("Invocations", "Sum", **dimensions_) == 3
        assert statistic("Invocation4XXErrors", "Sum", **dimensions_) == 1
        assert statistic("Invocation5XXErrors", "Sum", **dimensions_) == 1
        assert statistic("Invocation5XXErrors", "SampleCount", **dimensions_) == 3
        assert statistic("InvocationModelErrors", "Sum", **dimensions_) == 2
        assert 0 < statistic("ModelLatency", "Minimum", **dimensions_) < elapsed * 1_000_000
        assert statistic("OverheadLatency", "SampleCount", **dimensions_) == 3
    assert statistic("FirstChunkLatency", "SampleCount") == 0


def test_streams_and_concurrency_publish_metrics(hosting: Hosting, engine: Engine) -> None:
    endpoint = hosting.endpoint(hosting.configuration(container=engine.container))
    hosting.settled(endpoint)
    cloudwatch = hosting.aws("cloudwatch")

    def maximum(name: str) -> float:
        pairs = dimensions(EndpointName=endpoint, VariantName="AllTraffic")
        metric = {"Namespace": "AWS/SageMaker", "MetricName": name, "Dimensions": pairs}
        points = cloudwatch.get_metric_statistics(**metric, **window(), Period=3600, Statistics=["Maximum"])
        return max((point["Maximum"] for point in points["Datapoints"]), default=-1)

    def broken(handler: Any, _: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"3\r\none\r\n")
        handler.wfile.flush()
        eventually(lambda: maximum("ConcurrentRequestsPerModel") == 1)
        handler.close_connection = True

    assert maximum("ConcurrentRequestsPerModel") <= 0
    engine.behaviour = broken
    runtime = hosting.aws("sagemaker-runtime")
    response = runtime.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=PROMPT)
    with pytest.raises(EventStreamError):
        list(response["Body"])
    eventually(lambda: maximum("MidStreamErrors") == 1)
    assert 0 < maximum("FirstChunkLatency") < maximum("ModelLatency")
    assert maximum("Invocation5XXErrors") == 0
