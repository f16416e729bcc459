"""Plans of the endpoint module."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.terraform import Planned, Rig, show

pytestmark = pytest.mark.slow

ROOT = """
provider "aws" {
  region = "us-east-1"
}

module "basic" {
  source = "../../modules/sagemaker_endpoint/examples/basic"
}

module "complete" {
  source = "../../modules/sagemaker_endpoint/examples/complete"
}

module "split" {
  source = "../../modules/sagemaker_endpoint"

  name               = "split"
  execution_role_arn = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"
  routing            = "random"

  variants = {
    old   = { image = "same", weight = 9, instance_type = "ml.c7i.large" }
    newer = { image = "same", weight = 1, instance_type = "ml.c7i.xlarge" }
    other = { image = "other", weight = 0, instance_type = "ml.c7i.large" }
  }
  rollout = {
    strategy        = "linear"
    percent         = 25
    wait_seconds    = 120
    timeout_seconds = 3600
    alarms          = { latency_ms = 1500 }
  }
}

module "rolling" {
  source = "../../modules/sagemaker_endpoint"

  name               = "rolling"
  execution_role_arn = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"

  rollout = {
    strategy          = "rolling"
    percent           = 25
    wait_seconds      = 180
    quality_namespace = "Quality/rolling"
  }

  variants = {
    AllTraffic = { image = "i", instance_type = "ml.c7i.large", capacity = { min = 4, max = 4 } }
  }
}

module "volume" {
  source = "../../modules/sagemaker_endpoint"

  name               = "volume"
  execution_role_arn = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"

  variants = {
    AllTraffic = { image = "i", instance_type = "ml.c7i.large", volume_size_gb = 100 }
  }
}

module "serverless" {
  source = "../../modules/sagemaker_endpoint"

  name               = "serverless"
  execution_role_arn = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"
  endpoint           = { type = "serverless", serverless = { memory_mb = 4096, max_concurrency = 5 } }
  variants           = { AllTraffic = { image = "i" } }
}

module "paused" {
  source = "../../modules/sagemaker_endpoint"

  name               = "paused"
  execution_role_arn = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"
  paused             = true

  variants = {
    AllTraffic = { image = "i", instance_type = "ml.c7i.large", capacity = { max = 2 } }
  }
}

output "paused" {
  value = module.paused
}
"""
BASIC = "module.basic.module.endpoint"
CHAT = "module.complete.module.chat"
BATCH = "module.complete.module.batch"
ALL_TRAFFIC = '["AllTraffic"]'


@pytest.fixture(scope="module")
def planned(rig: Rig) -> Planned:
    """A single plan for all tests, because starting the provider takes most of the time."""
    return show(rig.workspace(rig.root("sagemaker_endpoint", ROOT), {}))


def only(planned: Planned, module: str, resource: str) -> dict[str, Any]:
    """The only resource of a type in a module."""
    (address,) = [a for a in planned.changes if a.startswith(f"{module}.{resource}.")]
    return planned.values(address)


def kinds(planned: Planned, module: str) -> list[str]:
    """Resources of a module, without keys."""
    return sorted(address.partition("[")[0] for address in planned.addresses(module))


def test_resources_depend_on_the_endpoints_type(planned: Planned) -> None:
    common = [
        "aws_cloudwatch_log_group.this",
        "aws_sagemaker_endpoint.this",
        "aws_sagemaker_endpoint_configuration.this",
        "aws_sagemaker_model.this",
        "terraform_data.identity",
    ]
    scaling = ["aws_appautoscaling_policy.tracking", "aws_appautoscaling_target.this", "terraform_data.fleet"]
    rollout = ["aws_cloudwatch_metric_alarm.rollout", "terraform_data.rollout"]
    assert kinds(planned, "module.serverless") == common
    assert kinds(planned, BASIC) == sorted([*common, *scaling, *rollout])
    from_zero = ["aws_appautoscaling_policy.from_zero", "aws_cloudwatch_metric_alarm.from_zero"]
    assert kinds(planned, BATCH) == sorted([*common, *scaling, *rollout, *from_zero])


def test_a_model_mounts_weights_in_isolation(planned: Planned) -> None:
    model = only(planned, BASIC, "aws_sagemaker_model")
    assert model["enable_network_isolation"] is True
    container = model["primary_container"][0]
    assert container["environment"] == {"SM_VLLM_MAX_MODEL_LEN": "16384"}
    source = container["model_data_source"][0]["s3_data_source"][0]
    assert source["s3_uri"] == "s3://example-models-123456789012-us-east-1/qwen3-8b/"
    assert (source["s3_data_type"], source["compression_type"]) == ("S3Prefix", "None")
    assert model["vpc_config"] == []


def test_the_configuration_refers_to_the_model(planned: Planned) -> None:
    model = only(planned, BASIC, "aws_sagemaker_model")
    configuration = only(planned, BASIC, "aws_sagemaker_endpoint_configuration")
    (variant,) = configuration["production_variants"]
    assert variant["variant_name"] == "AllTraffic"
    assert variant["model_name"] == model["name"]
    assert (variant["instance_type"], variant["initial_instance_count"]) == ("ml.g6.2xlarge", 1)
    assert variant["inference_ami_version"] == "al2-ami-sagemaker-inference-gpu-3-1"
    assert variant["container_startup_health_check_timeout_in_seconds"] == 1800
    assert variant["model_data_download_timeout_in_seconds"] == 600
    assert variant["routing_config"] == [{"routing_strategy": "LEAST_OUTSTANDING_REQUESTS"}]


def test_endpoint_and_log_group_are_named_after_the_model(planned: Planned) -> None:
    configuration = only(planned, BASIC, "aws_sagemaker_endpoint_configuration")
    endpoint = only(planned, BASIC, "aws_sagemaker_endpoint")
    assert (endpoint["name"], endpoint["endpoint_config_name"]) == (
        "example-dev-qwen3-8b",
        configuration["name"],
    )
    log_group = only(planned, BASIC, "aws_cloudwatch_log_group")
    assert log_group["name"] == "/aws/sagemaker/Endpoints/example-dev-qwen3-8b"


def test_the_current_count_is_limited_by_schedules(planned: Planned) -> None:
    configuration = only(planned, CHAT, "aws_sagemaker_endpoint_configuration")
    (variant,) = configuration["production_variants"]
    # The morning's limit is 8, the evening's 4.
    assert variant["initial_instance_count"] == 7
    assert variant["model_data_download_timeout_in_seconds"] == 1200


def test_a_shadow_variant_has_its_own_model(planned: Planned) -> None:
    configuration = only(planned, CHAT, "aws_sagemaker_endpoint_configuration")
    (variant,), (shadow,) = (
        configuration["production_variants"],
        configuration["shadow_production_variants"],
    )
    assert (shadow["variant_name"], shadow["initial_variant_weight"]) == ("Shadow", 0.1)
    assert (shadow["instance_type"], shadow["initial_instance_count"]) == ("ml.g6.12xlarge", 1)
    assert shadow["model_name"] != variant["model_name"]


def test_storage_and_captured_data_are_encrypted(planned: Planned) -> None:
    configuration = only(planned, CHAT, "aws_sagemaker_endpoint_configuration")
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    assert configuration["kms_key_arn"] == key
    (capture,) = configuration["data_capture_config"]
    assert [mode["capture_mode"] for mode in capture["capture_options"]] == ["Input", "Output"]
    assert (capture["initial_sampling_percentage"], capture["kms_key_id"]) == (5, key)


def test_models_run_in_the_vpc(planned: Planned) -> None:
    models = [planned.values(a) for a in planned.changes if a.startswith(f"{CHAT}.aws_sagemaker_model.")]
    vpc = {"subnets": ["subnet-0a", "subnet-0b"], "security_group_ids": ["sg-0a"]}
    assert [model["vpc_config"] for model in models] == [[vpc], [vpc]]


def test_a_canary_is_guarded_by_alarms(planned: Planned) -> None:
    (deployment,) = only(planned, CHAT, "aws_sagemaker_endpoint")["deployment_config"]
    (update,) = deployment["blue_green_update_policy"]
    assert update["termination_wait_in_seconds"] == 600
    (routing,) = update["traffic_routing_configuration"]
    assert (routing["type"], routing["wait_interval_in_seconds"]) == ("CANARY", 300)
    assert routing["canary_size"] == [{"type": "CAPACITY_PERCENT", "value": 10}]
    (rollback,) = deployment["auto_rollback_configuration"]
    names = {
        kind: f"example-dev-chat-AllTraffic-{kind}" for kind in ("server-errors", "model-errors", "latency")
    }
    assert {alarm["alarm_name"] for alarm in rollback["alarms"]} == {"evaluation-score", *names.values()}


def test_alarms_cover_only_the_new_configuration(planned: Planned) -> None:

    configuration = only(planned, CHAT, "aws_sagemaker_endpoint_configuration")["name"]
    metrics = {
        "server-errors": ("Invocation5XXErrors", 0.05),
        "model-errors": ("InvocationModelErrors", 0.1),
        "latency": ("ModelLatency", 30_000_000),  # microseconds
    }
    for kind, (metric, threshold) in metrics.items():
        alarm = planned.values(f'{CHAT}.aws_cloudwatch_metric_alarm.rollout["AllTraffic/{kind}"]')
        assert alarm["alarm_name"] == f"example-dev-chat-AllTraffic-{kind}"
        assert (alarm["namespace"], alarm["metric_name"]) == ("AWS/SageMaker", metric)
        assert (alarm["threshold"], alarm["treat_missing_data"]) == (threshold, "notBreaching")
        assert alarm["dimensions"] == {
            "EndpointName": "example-dev-chat",
            "VariantName": "AllTraffic",
            "EndpointConfigName": configuration,
        }


def test_an_alarm_always_exists(planned: Planned) -> None:
    """The provider replaces the endpoint when its first alarm is added or its last one removed."""
    (deployment,) = only(planned, BASIC, "aws_sagemaker_endpoint")["deployment_config"]
    (alarm,) = deployment["auto_rollback_configuration"][0]["alarms"]
    assert alarm == {"alarm_name": "example-dev-qwen3-8b-AllTraffic-server-errors"}
    assert only(planned, BASIC, "aws_cloudwatch_metric_alarm")["threshold"] == 1


def test_variants_with_equal_content_share_a_model(planned: Planned) -> None:
    variants = only(planned, "module.split", "aws_sagemaker_endpoint_configuration")["production_variants"]
    weights = {variant["variant_name"]: variant["initial_variant_weight"] for variant in variants}
    assert weights == {"old": 9, "newer": 1, "other": 0}
    models = {variant["variant_name"]: variant["model_name"] for variant in variants}
    assert models["old"] == models["newer"] != models["other"]
    assert kinds(planned, "module.split").count("aws_sagemaker_model.this") == 2
    assert {variant["routing_config"][0]["routing_strategy"] for variant in variants} == {"RANDOM"}


def test_a_linear_rollout_of_several_variants(planned: Planned) -> None:
    (deployment,) = only(planned, "module.split", "aws_sagemaker_endpoint")["deployment_config"]
    (update,) = deployment["blue_green_update_policy"]
    assert update["maximum_execution_timeout_in_seconds"] == 3600
    (routing,) = update["traffic_routing_configuration"]
    assert (routing["type"], routing["linear_step_size"][0]["value"]) == ("LINEAR", 25)
    assert len(deployment["auto_rollback_configuration"][0]["alarms"]) == 6


def test_a_rolling_update_has_a_batch_size(planned: Planned) -> None:
    (deployment,) = only(planned, "module.rolling", "aws_sagemaker_endpoint")["deployment_config"]
    assert deployment["blue_green_update_policy"] == []
    (update,) = deployment["rolling_update_policy"]
    assert update["maximum_batch_size"] == [{"type": "CAPACITY_PERCENT", "value": 25}]
    assert update["wait_interval_in_seconds"] == 180


def test_failed_expectations_roll_back(planned: Planned) -> None:
    alarm = planned.values("module.rolling.aws_cloudwatch_metric_alarm.quality[0]")
    assert (alarm["namespace"], alarm["metric_name"]) == ("Quality/rolling", "FailedExpectations")
    configuration = only(planned, "module.rolling", "aws_sagemaker_endpoint_configuration")["name"]
    # Of the new fleet, without variants.
    assert alarm["dimensions"] == {"EndpointName": "rolling", "EndpointConfigName": configuration}
    assert (alarm["statistic"], alarm["threshold"]) == ("Maximum", 1)
    assert alarm["treat_missing_data"] == "notBreaching"
    (deployment,) = only(planned, "module.rolling", "aws_sagemaker_endpoint")["deployment_config"]
    names = [item["alarm_name"] for item in deployment["auto_rollback_configuration"][0]["alarms"]]
    assert "rolling-quality" in names


def test_autoscaling_tracks_concurrent_requests(planned: Planned) -> None:
    target = planned.values(f"{BASIC}.aws_appautoscaling_target.this{ALL_TRAFFIC}")
    assert (target["min_capacity"], target["max_capacity"]) == (1, 4)
    assert target["resource_id"] == "endpoint/example-dev-qwen3-8b/variant/AllTraffic"
    assert target["scalable_dimension"] == "sagemaker:variant:DesiredInstanceCount"
    policy = planned.values(f"{BASIC}.aws_appautoscaling_policy.tracking{ALL_TRAFFIC}")
    tracking = policy["target_tracking_scaling_policy_configuration"][0]
    assert tracking["target_value"] == 8
    assert (tracking["scale_in_cooldown"], tracking["scale_out_cooldown"]) == (600, 60)
    (metric,) = tracking["predefined_metric_specification"]
    assert metric["predefined_metric_type"] == "SageMakerVariantConcurrentRequestsPerModelHighResolution"


def test_schedules_change_the_limits(planned: Planned) -> None:
    target = planned.values(f"{CHAT}.aws_appautoscaling_target.scheduled{ALL_TRAFFIC}")
    assert (target["min_capacity"], target["max_capacity"]) == (2, 4)
    action = planned.values(f'{CHAT}.aws_appautoscaling_scheduled_action.this["AllTraffic/morning"]')
    assert (action["schedule"], action["timezone"]) == ("cron(0 8 ? * MON-FRI *)", "Europe/Berlin")
    assert action["scalable_target_action"] == [{"min_capacity": "4", "max_capacity": "8"}]


def test_an_asynchronous_endpoint_writes_to_s3(planned: Planned) -> None:
    configuration = only(planned, BATCH, "aws_sagemaker_endpoint_configuration")
    (settings,) = configuration["async_inference_config"]
    (output,) = settings["output_config"]
    assert output["s3_output_path"] == "s3://example-models-123456789012-us-east-1/batch/async/"
    assert output["notification_config"][0]["error_topic"].endswith(":example-errors")
    assert settings["client_config"] == [{"max_concurrent_invocations_per_instance": 4}]
    assert configuration["production_variants"][0]["initial_instance_count"] == 1  # SageMaker requires one


def test_an_asynchronous_endpoint_scales_to_zero_and_back(planned: Planned) -> None:
    assert planned.values(f"{BATCH}.aws_appautoscaling_target.this{ALL_TRAFFIC}")["min_capacity"] == 0
    policy = planned.values(f"{BATCH}.aws_appautoscaling_policy.tracking{ALL_TRAFFIC}")
    (tracking,) = policy["target_tracking_scaling_policy_configuration"]
    (metric,) = tracking["customized_metric_specification"]
    assert (metric["metric_name"], tracking["target_value"]) == ("ApproximateBacklogSizePerInstance", 20)
    step = planned.values(f"{BATCH}.aws_appautoscaling_policy.from_zero{ALL_TRAFFIC}")
    (adjustment,) = step["step_scaling_policy_configuration"][0]["step_adjustment"]
    assert (adjustment["metric_interval_lower_bound"], adjustment["scaling_adjustment"]) == ("0", 1)
    alarm = planned.values(f"{BATCH}.aws_cloudwatch_metric_alarm.from_zero{ALL_TRAFFIC}")
    assert alarm["metric_name"] == "HasBacklogWithoutCapacity"
    # SageMaker publishes metrics of the queue per endpoint, not per variant.
    assert alarm["dimensions"] == {"EndpointName": "example-dev-batch"}
    assert metric["dimensions"] == [{"name": "EndpointName", "value": "example-dev-batch"}]


def test_a_volume_is_part_of_the_configuration(planned: Planned) -> None:
    configuration = only(planned, "module.volume", "aws_sagemaker_endpoint_configuration")
    assert configuration["production_variants"][0]["volume_size_in_gb"] == 100
    # Without one, the name stays what it was before the setting existed.
    assert (
        only(planned, "module.rolling", "aws_sagemaker_endpoint_configuration")["name"] == "rolling-5eafd4e5"
    )


def test_a_serverless_endpoint_has_no_instances(planned: Planned) -> None:
    configuration = only(planned, "module.serverless", "aws_sagemaker_endpoint_configuration")
    (variant,) = configuration["production_variants"]
    (settings,) = variant["serverless_config"]
    assert (settings["memory_size_in_mb"], settings["max_concurrency"]) == (4096, 5)
    absent = ("instance_type", "initial_instance_count", "container_startup_health_check_timeout_in_seconds")
    assert {variant[name] for name in absent} == {None}
    assert only(planned, "module.serverless", "aws_sagemaker_endpoint")["deployment_config"] == []


def test_serverless_and_other_endpoints_share_no_model(planned: Planned) -> None:
    """Otherwise a change of the type removes a tag, which the policies do not permit."""
    models = {
        name: only(planned, f"module.{name}", "aws_sagemaker_model") for name in ("serverless", "rolling")
    }
    assert models["serverless"]["primary_container"] == models["rolling"]["primary_container"]
    keys = {model["name"].removeprefix(f"{name}-") for name, model in models.items()}
    assert len(keys) == 2


def test_a_paused_endpoint_keeps_resources_without_cost(planned: Planned) -> None:
    assert kinds(planned, "module.paused") == [
        "aws_cloudwatch_log_group.this",
        "aws_sagemaker_endpoint_configuration.this",
        "aws_sagemaker_model.this",
        "terraform_data.identity",
        "terraform_data.rollout",
    ]
    outputs = planned.output("paused")
    configuration = only(planned, "module.paused", "aws_sagemaker_endpoint_configuration")
    assert (outputs["endpoint_name"], outputs["endpoint_config_name"]) == ("paused", configuration["name"])
